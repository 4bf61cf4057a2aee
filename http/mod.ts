/**
 * What a node of an election answers over HTTP.
 *
 * @example
 * ```ts
 * import { observe } from "../election/mod.ts";
 * import { Face } from "./mod.ts";
 *
 * const face = new Face({ name: "jobs", id: "onlooker", url: "http://localhost:8080" });
 * await using jobs = observe({ name: "jobs", onEvent: face.onEvent });
 * face.show(jobs);
 * const response = await face.handler(new Request("http://localhost:8080/status"));
 * console.log((await response.json()).role);
 * ```
 *
 * @module
 */
export type { CommandExit, CommandStatus, Control } from "./answers.ts";
export { Face, type FaceOptions } from "./handler.ts";

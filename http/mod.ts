/**
 * What a node of an election answers over HTTP.
 *
 * @example
 * ```ts
 * import { observe } from "../election/mod.ts";
 * import { NodeHandler } from "./mod.ts";
 *
 * const node = new NodeHandler({ name: "jobs", id: "onlooker", url: "http://localhost:8080" });
 * await using jobs = observe({ name: "jobs", onEvent: node.onEvent });
 * node.show(jobs);
 * const response = await node.handle(new Request("http://localhost:8080/status"));
 * console.log((await response.json()).role);
 * ```
 *
 * @module
 */
export type { CommandExit, CommandStatus, Control, LogStatus, WatchdogStatus } from "./answers.ts";
export { NodeHandler, type NodeHandlerOptions } from "./handler.ts";

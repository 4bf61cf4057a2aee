/**
 * An HTTP request handler that answers for an election as a node of leader-node does.
 *
 * @example An observer that answers `GET /status`
 * ```ts
 * import { observe } from "../election/mod.ts";
 * import { NodeHandler } from "./mod.ts";
 *
 * const node = new NodeHandler({ name: "jobs", id: "observer", url: "http://localhost:8080" });
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
export type { ClientInfo } from "./routes.ts";
export { toNodeListener } from "./node_listener.ts";

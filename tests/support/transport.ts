import type { TransportName } from "../../election/mod.ts";

/** The transport that the tests use; `deno task test:gateway` sets it, for the nodes that they start too. */
export const transport = (Deno.env.get("LEADER_NODE_TRANSPORT") ?? "grpc") as TransportName;

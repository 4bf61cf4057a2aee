/** Preloaded, so that the tests speak to etcd by its JSON gateway: `deno task test:http`. */
import { DEFAULTS } from "../../election/etcd/options.ts";

DEFAULTS.transport = "http";
Deno.env.set("LEADER_NODE_TRANSPORT", "http");

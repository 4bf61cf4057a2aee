import { assertEquals, assertMatch } from "@std/assert";
import { parse } from "@std/yaml";
import { fileURLToPath } from "node:url";

const EXAMPLES = fileURLToPath(new URL("../../examples/", import.meta.url));

Deno.test("the systemd unit gives each machine an id of its own", async () => {
  const unit = await Deno.readTextFile(`${EXAMPLES}systemd/leader-node.service`);
  assertMatch(unit, /^ExecStart=\S+ .*--id %H .*-- /m);
});

Deno.test("the systemd unit lets the watchdog outlive the node", async () => {
  const unit = await Deno.readTextFile(`${EXAMPLES}systemd/leader-node.service`);
  // With `mixed`, systemd kills the watchdog at once when the node dies: the next leader would wait for the TTL.
  assertMatch(unit, /^KillMode=control-group$/m);
  // A stop must reach the node only: some programs take a second SIGTERM for an order to hurry.
  assertMatch(unit, /^ExecStop=.*\bkill \$MAINPID\b.*--pid=\$MAINPID\b/m);
});

Deno.test("the Compose file has three nodes that know three members of etcd", async () => {
  const { services } = parse(await Deno.readTextFile(`${EXAMPLES}compose/compose.yaml`), { schema: "extended" }) as {
    services: Record<string, { environment: Record<string, string> }>;
  };
  assertEquals(Object.keys(services), ["etcd-1", "etcd-2", "etcd-3", "node-a", "node-b", "node-c"]);
  for (const [name, { environment }] of Object.entries(services)) {
    if (name.startsWith("etcd")) {
      assertMatch(environment.ETCD_INITIAL_CLUSTER!, new RegExp(`${name}=http://${name}:2380`));
    } else assertEquals(environment.LEADER_NODE_ENDPOINTS!.match(/http:\/\/etcd-[123]:2379/g)?.length, 3);
  }
});

import { assertEquals } from "@std/assert";
import { fileURLToPath } from "node:url";
import { LocalEtcd } from "../dev/local_etcd.ts";
import { threeNodes } from "./support/node.ts";
import { freePort, hasProgram, Program } from "./support/program.ts";

const EXAMPLE = fileURLToPath(new URL("../examples/prometheus/", import.meta.url));
const ignore = !hasProgram("promtool") || !hasProgram("prometheus");

async function promtool(args: string[], input = ""): Promise<string> {
  const { stdout, stderr } = await Program.run("promtool", args, { cwd: EXAMPLE, input });
  return stdout + stderr;
}

Deno.test({
  name: "the alert rules do what their unit tests say (needs promtool)",
  ignore,
  fn: async () => {
    assertEquals((await promtool(["check", "config", "prometheus.yml"])).match(/SUCCESS/g)?.length, 3);
    assertEquals((await promtool(["test", "rules", "alerts_test.yml"])).match(/SUCCESS|FAILED/g), ["SUCCESS"]);
  },
});

Deno.test({
  name: "a real Prometheus sees one leader among three nodes, before and after a handoff (needs Prometheus)",
  ignore,
  fn: async () => {
    await using etcd = await LocalEtcd.start();
    const [a, b, c] = await threeNodes(etcd);
    await using _b = b;
    await using _c = c;
    assertEquals(await promtool(["check", "metrics"], (await a.get("/metrics")).body), "");

    const folder = await Deno.makeTempDir({ prefix: "leader-node-prometheus-" });
    await Deno.copyFile(`${EXAMPLE}alerts.yml`, `${folder}/alerts.yml`);
    const config = (await Deno.readTextFile(`${EXAMPLE}prometheus.yml`))
      .replaceAll("15s", "200ms")
      .replace(/targets: .*/, `targets: [${[a, b, c].map(({ port }) => `localhost:${port}`)}]`);
    await Deno.writeTextFile(`${folder}/prometheus.yml`, config);
    const address = `127.0.0.1:${freePort()}`;
    const flags = ["--config.file=prometheus.yml", "--storage.tsdb.path=data", `--web.listen-address=${address}`];
    await using prometheus = Program.start("prometheus", flags, { cwd: folder });

    const ask = async (query: string): Promise<{ metric: Record<string, string>; value: [number, string] }[]> => {
      const response = await fetch(`http://${address}/api/v1/query?query=${encodeURIComponent(query)}`)
        .catch(() => undefined);
      if (!response?.ok) return await response?.body?.cancel(), [];
      return (await response.json()).data.result;
    };
    /** Asks until the leader is the only one. */
    const leaderIs = async (node: { port: number }) => {
      await prometheus.until(`${node.port} to lead`, async () => {
        const [leader, ...others] = await ask("leader_election_master_status == 1");
        return others.length === 0 && leader?.metric.instance === `localhost:${node.port}`;
      });
      assertEquals((await ask("sum(leader_election_master_status)"))[0]!.value[1], "1");
    };
    await leaderIs(a);
    await a.stop();
    await leaderIs(b);
    assertEquals((await ask("max(leader_node_leader_changes_total)"))[0]!.value[1], "1");

    const dashboard = JSON.parse(await Deno.readTextFile(`${EXAMPLE}grafana.json`));
    for (const { title, targets } of dashboard.panels) {
      if (title.startsWith("Commands")) continue;
      for (const { expr } of targets) {
        const query = expr.replace("$name", ".*").replace("$__rate_interval", "1m");
        await prometheus.until(`the panel "${title}" to show something`, async () => (await ask(query)).length > 0);
      }
    }
    await prometheus.stop();
    await Deno.remove(folder, { recursive: true });
  },
});

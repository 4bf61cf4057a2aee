/**
 * `deno run -A dev/bench/floods.ts [--clients C] [--keys K] [--ttl T] [--seconds S]`: how long a leader's renewals take
 * while C clients ask it for one path again and again, with K keys of another program in the queue.
 */
import { fileURLToPath } from "node:url";
import { fillQueue } from "../../tests/support/foreign_keys.ts";
import { endTogether } from "../children.ts";
import { freePort, LocalEtcd } from "../local_etcd.ts";
import { NodeProcess } from "../node_process.ts";
import { readNumbers } from "../number_flags.ts";
import { metricIn } from "./server_process.ts";

const CLIENTS = fileURLToPath(new URL("../../tests/support/clients.ts", import.meta.url));
const PATHS = [undefined, "/livez", "/leader", "/", "/status", "/members", "/history", "/metrics"];

const { clients, keys, ttl, seconds } = readNumbers("deno run -A dev/bench/floods.ts", {
  clients: 1000,
  keys: 2000,
  ttl: 2,
  seconds: 10,
});
endTogether();

/** The renewals so far. */
async function renewals(port: number): Promise<{ count: number; sum: number }> {
  for (;;) {
    const response = await fetch(`http://127.0.0.1:${port}/metrics`);
    const text = await response.text();
    if (response.status !== 200) continue;
    const [count, sum] = ["count", "sum"].map((name) => metricIn(text, `leader_node_renew_duration_seconds_${name}`));
    return { count: count!, sum: sum! };
  }
}

/** How many answers had which status. */
async function flood(port: number, path: string | undefined): Promise<Record<string, number>> {
  const asked = [String(port), path ?? "/", String(path ? clients : 0), String(seconds)];
  const args = ["run", "-A", "--quiet", "--no-config", CLIENTS, ...asked];
  const { stdout } = await new Deno.Command(Deno.execPath(), { args, stdin: "null", stderr: "inherit" }).output();
  return JSON.parse(new TextDecoder().decode(stdout));
}

console.log("| clients ask for | renewal, mean ms | answers/s | turned away/s | terms lost |");
console.log("| --- | ---: | ---: | ---: | ---: |");
for (const path of PATHS) {
  await using etcd = await LocalEtcd.start();
  const port = freePort();
  const leading = Promise.withResolvers<void>();
  let lost = 0;
  const at = ["--port", String(port), "--hostname", "127.0.0.1", "--endpoints", etcd.endpoint, "--ttl", String(ttl)];
  const node = new NodeProcess(at, (line) => {
    if (typeof line === "string") return console.error(line);
    if (line.event === "leading") leading.resolve();
    if (line.event === "term-ended") lost++;
  });
  await leading.promise;
  await fillQueue(etcd, keys);
  const before = await renewals(port);
  const { 503: refused = 0, ...others } = await flood(port, path);
  const after = await renewals(port);
  const answered = Object.values(others).reduce((sum, count) => sum + count, 0);
  const mean = 1000 * (after.sum - before.sum) / (after.count - before.count);
  const cells = [
    path ?? "nothing",
    mean.toFixed(1),
    (answered / seconds).toFixed(0),
    (refused / seconds).toFixed(0),
    lost,
  ];
  console.log(`| ${cells.join(" | ")} |`);
  node.kill("SIGKILL");
  await node.exited;
}

/**
 * `deno run -A dev/bench/http.ts [--seconds S] [--clients C]`: `GET /` at a leader, at a follower, and at a bare
 * `Deno.serve` that reads the same header and clocks. Client and server share the cores, so the CPU time that the server
 * takes for an answer is what counts.
 */
import { fileURLToPath } from "node:url";
import { endTogether } from "../children.ts";
import { LocalEtcd } from "../local_etcd.ts";
import { readNumbers } from "../number_flags.ts";
import { cpuMs } from "../process_stats.ts";
import { Program } from "../program.ts";
import { executableOfNow } from "./executable.ts";
import { quantile } from "./samples.ts";
import { ServerProcess } from "./server_process.ts";

const CLIENTS = fileURLToPath(new URL("../../tests/support/clients.ts", import.meta.url));
const ROUNDS = 5;

const BARE =
  `const headers = { "content-type": "text/plain; charset=utf-8", "cache-control": "no-store", vary: "accept" };
Deno.serve({ port: PORT, hostname: "127.0.0.1", onListen() {} }, (request) => {
  const leads = request.headers.get("accept") !== "text/html" && performance.now() + Date.now() > 0;
  return new Response(leads ? "I am the leader\\n" : "", { status: 200, headers });
});`;

const { seconds, clients } = readNumbers("deno run -A dev/bench/http.ts", { seconds: 4, clients: 64 });
endTogether();
const { path: executable, folder } = await executableOfNow();

await using etcd = await LocalEtcd.start();
const startNode = () => ServerProcess.start(executable, etcd, ["--transport", "gateway"]);
const bare = ServerProcess.bare(folder, BARE);
await bare.answers(() => true);
const leader = startNode();
await leader.answers((text) => text === "I am the leader\n");
const follower = startNode();
await follower.answers((text) => text.startsWith("I am a follower and"));
const servers = { "a bare Deno.serve": bare, "a leader": leader, "a follower": follower };
const measured = Object.entries(servers).map(([name, server]) => ({
  name,
  server,
  costs: [] as number[],
  rates: [] as number[],
}));
// Each in turn, so that a machine that grows slower is slower for all.
for (let round = 0; round <= ROUNDS; round++) {
  for (const { server: { pid, port }, costs, rates } of measured) {
    const before = cpuMs(pid);
    const args = ["run", "-A", "--quiet", "--no-config", CLIENTS, String(port), "/", String(clients), String(seconds)];
    const { stdout } = await Program.run(Deno.execPath(), args);
    const answers = JSON.parse(stdout)["200"];
    // In the first round, the code is compiled.
    if (round === 0) continue;
    costs.push((cpuMs(pid) - before) * 1000 / answers);
    rates.push(answers / seconds);
  }
}
console.log(
  "| GET / at | CPU for an answer, µs | answers a second | of the bare server's |\n| --- | ---: | ---: | ---: |",
);
const least = quantile(measured[0]!.costs, 0.5);
for (const { name, costs, rates } of measured) {
  const [cost, rate] = [costs, rates].map((samples) => quantile(samples, 0.5)) as [number, number];
  console.log(`| ${name} | ${cost.toFixed(1)} | ${rate.toFixed(0)} | ${(least / cost).toFixed(2)} |`);
}
await Promise.all(Object.values(servers).map((server) => server.stop()));

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
const ROUNDS = 15;

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
// Each in turn, in another order each time: a machine that is slower after a while of work is so for all.
for (let round = 0; round <= ROUNDS; round++) {
  const first = round % measured.length;
  for (const { server: { pid, port }, costs, rates } of [...measured.slice(first), ...measured.slice(0, first)]) {
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
// Of the better quarter of the rounds: others on the machine only make it slower.
const best = measured.map(({ name, costs, rates }) => ({
  name,
  cost: quantile(costs, 0.25),
  rate: quantile(rates, 0.75),
}));
for (const { name, cost, rate } of best) {
  console.log(`| ${name} | ${cost.toFixed(1)} | ${rate.toFixed(0)} | ${(best[0]!.cost / cost).toFixed(2)} |`);
}
await Promise.all(Object.values(servers).map((server) => server.stop()));

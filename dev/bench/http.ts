/**
 * `deno run -A dev/bench/http.ts [--seconds S] [--clients C]`: `GET /` at a leader, at a follower, and at a bare
 * `Deno.serve` that reads the same header and clocks. Client and server share the cores, so the CPU time that the server
 * takes for an answer is what counts.
 */
import { fileURLToPath } from "node:url";
import { endTogether } from "../children.ts";
import { freePort, LocalEtcd } from "../local_etcd.ts";
import { readNumbers } from "../number_flags.ts";
import { cpuMs } from "../process_stats.ts";
import { Program } from "../program.ts";
import { NodeProcess } from "../node_process.ts";

const CLIENTS = fileURLToPath(new URL("../../tests/support/clients.ts", import.meta.url));
const ROUNDS = 5;

const BARE =
  `const headers = { "content-type": "text/plain; charset=utf-8", "cache-control": "no-store", vary: "accept" };
Deno.serve({ port: Number(Deno.args[0]), hostname: "127.0.0.1", onListen() {} }, (request) => {
  const leads = request.headers.get("accept") !== "text/html" && performance.now() + Date.now() > 0;
  return new Response(leads ? "I am the leader\\n" : "", { status: 200, headers });
});`;

interface Server {
  readonly name: string;
  readonly pid: number;
  readonly port: number;
}

const { seconds, clients } = readNumbers("deno run -A dev/bench/http.ts", { seconds: 4, clients: 64 });
endTogether();
const folder = await Deno.makeTempDir({ prefix: "leader-node-bench-" });
addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));
await Deno.writeTextFile(`${folder}/bare.js`, BARE);

await using etcd = await LocalEtcd.start();
const bare = startBare();
const leader = startNode("leader");
await says(leader, /^I am the leader/);
const follower = startNode("follower");
await says(follower, /^I am a follower and/);
await says(bare, /./);
const servers = [bare, leader, follower];
const costs = servers.map((): number[] => []);
const rates = servers.map((): number[] => []);
// Each in turn, so that a machine that grows slower is slower for all.
for (let round = 0; round <= ROUNDS; round++) {
  for (const [index, { pid, port }] of servers.entries()) {
    const before = cpuMs(pid);
    const args = ["run", "-A", "--quiet", "--no-config", CLIENTS, String(port), "/", String(clients), String(seconds)];
    const { stdout } = await Program.run(Deno.execPath(), args);
    const answers = JSON.parse(stdout)["200"];
    // In the first round, the code is compiled.
    if (round === 0) continue;
    costs[index]!.push((cpuMs(pid) - before) * 1000 / answers);
    rates[index]!.push(answers / seconds);
  }
}
console.log(
  "| GET / at | CPU for an answer, µs | answers a second | of the bare server's |\n| --- | ---: | ---: | ---: |",
);
for (const [index, { name }] of servers.entries()) {
  const [cost, rate] = [median(costs[index]!), median(rates[index]!)];
  console.log(`| ${name} | ${cost.toFixed(1)} | ${rate.toFixed(0)} | ${(median(costs[0]!) / cost).toFixed(2)} |`);
}
Deno.exit();

function startBare(): Server {
  const port = freePort();
  const args = ["run", "-A", "--quiet", "--no-config", `${folder}/bare.js`, String(port)];
  return {
    name: "a bare Deno.serve",
    pid: Program.start(Deno.execPath(), args, { silent: true, detached: true }).pid,
    port,
  };
}

function startNode(role: string): Server {
  const port = freePort();
  const flags = [
    "--port",
    String(port),
    "--hostname",
    "127.0.0.1",
    "--endpoints",
    etcd.endpoint,
    "--transport",
    "gateway",
  ];
  return { name: `a ${role}`, pid: new NodeProcess(flags, () => {}).pid, port };
}

async function says({ port }: Server, text: RegExp): Promise<void> {
  for (;;) {
    const answer = await fetch(`http://127.0.0.1:${port}/`).then((response) => response.text(), () => "");
    if (text.test(answer)) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function median(samples: readonly number[]): number {
  return samples.toSorted((a, b) => a - b)[samples.length >> 1]!;
}

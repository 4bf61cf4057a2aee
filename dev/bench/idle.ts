/**
 * `deno run -A dev/bench/idle.ts [--seconds S]`: the CPU time and the resident memory of idle nodes, of the executable,
 * beside a bare program that asks etcd as often as a leader does. All of them run at the same time.
 */
import { endTogether } from "../children.ts";
import { LocalEtcd } from "../local_etcd.ts";
import { readNumbers } from "../number_flags.ts";
import { cpuMs } from "../process_stats.ts";
import { executableOfNow } from "./executable.ts";
import { ServerProcess } from "./server_process.ts";

/** V8 has given back by then what the start took. */
const SETTLED_MS = 40_000;
/** A leader renews its lease and asks whether its key is there, each three times in a TTL of 5 s. */
const ASK_EVERY_MS = 5000 / 6;

const { seconds } = readNumbers("deno run -A dev/bench/idle.ts", { seconds: 120 });
endTogether();
const { path: executable, folder } = await executableOfNow();
await using etcd = await LocalEtcd.start();
// The first start of an executable may have to unpack and compile it, and takes more memory.
const first = ServerProcess.start(executable, etcd, []);
await first.answers((text) => text === "I am the leader\n");
await first.stop();
const bare = ServerProcess.bare(
  folder,
  `Deno.serve({ port: PORT, onListen() {} }, () => new Response("bare\\n"));
const ask = () => fetch("${etcd.endpoint}/v3/kv/range", { method: "POST", body: '{"key":"YQ=="}' });
setInterval(async () => await (await ask()).text(), ${ASK_EVERY_MS});`,
);
await bare.answers(() => true);
const processes: [name: string, process: ServerProcess][] = [["a bare program that asks etcd", bare]];
for (const transport of ["grpc", "gateway"]) {
  for (const role of ["leader", "follower"]) {
    const node = ServerProcess.start(executable, etcd, ["--election", transport, "--transport", transport]);
    await node.answers((text) => text.startsWith(role === "leader" ? "I am the leader" : "I am a follower and the"));
    processes.push([`${role} by ${transport}`, node]);
  }
}
const pass = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
await pass(SETTLED_MS);
const before = processes.map(([, { pid }]) => cpuMs(pid));
await pass(seconds * 1000);
console.log("| process | CPU time, ms a minute | RSS, MB |\n| --- | ---: | ---: |");
for (const [index, [name, process]] of processes.entries()) {
  const cpu = (cpuMs(process.pid) - before[index]!) * 60 / seconds;
  console.log(`| ${name} | ${cpu.toFixed(0)} | ${process.residentMb().toFixed(1)} |`);
}
for (const [, process] of processes) await process.stop();

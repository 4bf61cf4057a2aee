/**
 * `deno run -A dev/bench/memory.ts [--rounds N]`: the resident memory of a leader, of its watchdog, and of a bare
 * program of the same runtime that only waits. Prints medians, in MB.
 */
import { endTogether } from "../children.ts";
import { LocalEtcd } from "../local_etcd.ts";
import { readNumbers } from "../number_flags.ts";
import { residentMb } from "../process_stats.ts";
import { executableOfNow } from "./executable.ts";
import { quantile } from "./samples.ts";
import { ServerProcess } from "./server_process.ts";

/** What a process takes at its start is given back by then. */
const SETTLED_MS = 5000;

const { rounds } = readNumbers("deno run -A dev/bench/memory.ts", { rounds: 7 });
endTogether();
const { path, folder } = await executableOfNow();
await using etcd = await LocalEtcd.start();
const settle = () => new Promise((resolve) => setTimeout(resolve, SETTLED_MS));
const median = (samples: readonly number[]) => quantile(samples, 0.5).toFixed(1);

console.log("| process | median, MB | most |\n| --- | ---: | ---: |");
const tell = (name: string, samples: readonly number[]) =>
  console.log(`| ${name} | ${median(samples)} | ${Math.max(...samples).toFixed(1)} |`);

const bare: number[] = [];
await Deno.writeTextFile(`${folder}/bare.js`, "setTimeout(() => {}, 1e6);");
for (let round = 0; round < rounds; round++) {
  const args = ["run", "-A", "--quiet", "--no-config", `${folder}/bare.js`];
  const process = new Deno.Command(Deno.execPath(), { args, stdin: "null" }).spawn();
  await settle();
  bare.push(residentMb(process.pid));
  process.kill("SIGKILL");
  await process.status;
}
tell("deno run that only waits", bare);
for (const transport of ["gateway", "grpc"]) {
  for (const flags of [["--watchdog"], ["--", "sleep", "1000"]]) {
    const [nodes, watchdogs]: [number[], number[]] = [[], []];
    for (let round = 0; round < rounds; round++) {
      const node = ServerProcess.start(path, etcd, ["--transport", transport, ...flags]);
      await node.answers((text) => text === "I am the leader\n");
      await settle();
      const { watchdog } = await (await node.fetch("/status")).json();
      nodes.push(node.residentMb());
      watchdogs.push(residentMb(watchdog.pid));
      await node.stop();
    }
    const how = `${transport}, ${flags[0] === "--" ? "with a command" : flags[0]}`;
    tell(`leader by ${how}`, nodes);
    tell(`its watchdog by ${how}`, watchdogs);
  }
}

/** Many elections in one process over one connection: how long until all lead, and what it costs to keep them. */
import { endTogether } from "../children.ts";
import { LocalEtcd } from "../local_etcd.ts";
import { cpuMs } from "../process_stats.ts";
import { Connection, Election } from "../../election/mod.ts";
import { Program } from "../program.ts";

const IDLE_MS = 10_000;

/** Elections in this process, measured. */
async function measure(count: number): Promise<string> {
  await using etcd = await LocalEtcd.start();
  await using connection = new Connection({ endpoints: [etcd.endpoint] });
  const began = performance.now();
  const elections = Array.from({ length: count }, (_, index) => new Election({ name: `many/${index}`, connection }));
  await Promise.all(elections.map(async (election) => {
    for await (const { role } of election) if (role === "leader") return;
  }));
  const tookMs = performance.now() - began;
  const before = [Deno.pid, etcd.pid].map(cpuMs);
  await new Promise((resolve) => setTimeout(resolve, IDLE_MS));
  const shares = [Deno.pid, etcd.pid].map((pid, index) => (100 * (cpuMs(pid) - before[index]!) / IDLE_MS).toFixed(1));
  const lost = elections.filter(({ state }) => state.role !== "leader").length;
  const { rss } = Deno.memoryUsage();
  const from = performance.now();
  await Promise.all(elections.map((election) => election.stop()));
  const stopMs = performance.now() - from;
  const row = [count, tookMs.toFixed(0), (rss / 1e6).toFixed(0), ...shares, lost, stopMs.toFixed(0)];
  return `| ${row.join(" | ")} |`;
}

if (import.meta.main) {
  // Each count in a process of its own, so that one's memory is not the next one's.
  const [count] = Deno.args;
  if (count !== undefined) {
    endTogether();
    console.log(await measure(Number(count)));
    Deno.exit();
  }
  console.log(
    "| elections | until all lead, ms | RSS, MB | CPU, % of a core | etcd's CPU, % | lost | all stopped, ms |",
  );
  console.log("| ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
  for (const count of [1, 10, 100, 300, 1000]) {
    const args = ["run", "-A", "--quiet", import.meta.filename!, String(count)];
    const { stdout, stderr } = await Program.run(Deno.execPath(), args);
    console.log(stdout.trim() || stderr.trim());
  }
}

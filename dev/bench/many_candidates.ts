/**
 * `deno run -A dev/bench/many_candidates.ts [COUNT ...]`: many candidates in one election, in one process, over one connection. They
 * all join at once; the head resigns, the next leads, and all know; then all leave at once.
 */
import { endTogether } from "../children.ts";
import { LocalEtcd } from "../local_etcd.ts";
import { cpuMs } from "../process_stats.ts";
import { Connection, Election } from "../../election/mod.ts";
import { quantile } from "./samples.ts";
import { Program } from "../program.ts";

const HANDOFFS = 15;
/** How long etcd and the candidates work after a handoff that all know of. */
const AFTERMATH_MS = 500;
const IDLE_MS = 10_000;

const COLUMNS = [
  "candidates",
  "all queued, ms",
  "all know the leader, ms",
  "etcd's CPU to join, ms",
  "next leads, ms",
  "all know the next, ms",
  "etcd's CPU for a handoff, ms",
  "RSS, MB",
  "all have left, ms",
  "etcd's CPU to leave, ms",
];

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function measure(count: number): Promise<number[]> {
  await using etcd = await LocalEtcd.start();
  await using connection = new Connection({ endpoints: [etcd.endpoint] });
  /** What `work` takes, and what CPU etcd has for it. */
  const timed = async (work: () => Promise<unknown>) => {
    const [from, cpu] = [performance.now(), cpuMs(etcd.pid)];
    await work();
    return { ms: performance.now() - from, cpuMs: cpuMs(etcd.pid) - cpu };
  };
  /** Resolves when the election knows a leader whose token is greater; `leads` is told if that is itself. */
  const knows = async (election: Election, token: bigint, leads = () => {}) => {
    for await (const { role, leader } of election) {
      if (!leader || leader.token <= token) continue;
      if (role === "leader") leads();
      return;
    }
  };

  const elections: Election[] = [];
  let queuedMs = 0;
  const joined = await timed(async () => {
    const from = performance.now();
    const queued = Array.from({ length: count }, (_, index) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      const candidate = { id: `c${index}` };
      const onEvent = ({ type }: { type: string }) => type === "queued" && resolve();
      elections.push(new Election({ name: "crowd", connection, ttlSeconds: 60, candidate, onEvent }));
      return promise;
    });
    await Promise.all([
      Promise.all(queued).then(() => queuedMs = performance.now() - from),
      ...elections.map((election) => knows(election, 0n)),
    ]);
  });

  await pause(AFTERMATH_MS);
  const idle = await timed(() => pause(IDLE_MS));
  const idleShare = idle.cpuMs / idle.ms;
  const [leads, all]: [number[], number[]] = [[], []];
  let cpu = 0;
  for (let round = 0; round < HANDOFFS; round++) {
    const head = elections.find(({ state }) => state.role === "leader")!;
    const { token } = head.state.leader!;
    const next = Promise.withResolvers<void>();
    // One that stands alone leads again itself.
    const told = Promise.all(elections.map((election) => knows(election, token, next.resolve)));
    const handoff = await timed(async () => {
      const from = performance.now();
      head.resign();
      await next.promise;
      leads.push(performance.now() - from);
      await told;
      all.push(performance.now() - from);
      await pause(AFTERMATH_MS);
    });
    cpu += handoff.cpuMs - idleShare * handoff.ms;
  }

  const { rss } = Deno.memoryUsage();
  const left = await timed(() => Promise.all(elections.map((election) => election.stop())));
  const [lead, know] = [quantile(leads, 0.5), quantile(all, 0.5)];
  // Linux counts CPU time in steps: a mean is finer than they are, a median is not.
  return [queuedMs, joined.ms, joined.cpuMs, lead, know, cpu / HANDOFFS, rss / 1e6, left.ms, left.cpuMs];
}

if (import.meta.main) {
  const [first, only] = Deno.args;
  // Each count in a process of its own, so that one's memory is not the next one's.
  if (first === "--only") {
    endTogether();
    const count = Number(only);
    console.log(`| ${[count, ...await measure(count)].map((value) => value.toFixed(0)).join(" | ")} |`);
    Deno.exit();
  }
  const counts = Deno.args.length > 0 ? Deno.args : ["1", "10", "100", "300", "1000"];
  if (!counts.every((count) => /^[1-9]\d*$/.test(count))) {
    console.error(
      `usage: deno run -A dev/bench/many_candidates.ts [COUNT ...], not ${JSON.stringify(counts.join(" "))}`,
    );
    Deno.exit(2);
  }
  console.log(`| ${COLUMNS.join(" | ")} |\n| ${COLUMNS.map(() => "---:").join(" | ")} |`);
  for (const count of counts) {
    const args = ["run", "-A", "--quiet", import.meta.filename!, "--only", count];
    const { stdout, stderr } = await Program.run(Deno.execPath(), args);
    console.log(stdout.trim() || stderr.trim());
  }
}

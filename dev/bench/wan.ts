/**
 * `deno run -A dev/bench/wan.ts [--rounds N] [--minutes M]`: what latency and lost packets between the nodes and etcd cost.
 * etcd has a network namespace of its own, at the other end of a line that delays and drops; the nodes are on this side.
 */
import { endTogether } from "../children.ts";
import { readNumbers } from "../number_flags.ts";
import { executableOfNow } from "./executable.ts";
import { RemoteEtcd, UnsupportedHostError } from "./remote_etcd.ts";
import type { LineQuality } from "./lossy_link.ts";
import { ServerProcess } from "./server_process.ts";
import { quantile, type Samples } from "./samples.ts";
import { takeover } from "./takeover.ts";

const ASKED = 100;

const NETWORKS: readonly (LineQuality & { readonly name: string })[] = [
  { name: "plain", delayMs: 0, loss: 0 },
  { name: "25 ms each way", delayMs: 25, loss: 0 },
  { name: "100 ms each way", delayMs: 100, loss: 0 },
  { name: "5 % of packets lost each way", delayMs: 0, loss: 0.05 },
];

/** A term of `/history`. */
interface Term {
  readonly id: string;
  readonly ended: string | null;
}

/** How long etcd takes to answer something small. */
async function answers(etcd: RemoteEtcd): Promise<Samples> {
  const took: number[] = [];
  await etcd.ask();
  for (let round = 0; round < ASKED; round++) {
    const from = performance.now();
    await etcd.ask();
    took.push(performance.now() - from);
  }
  return took;
}

/** From the start of a process, the only one of its election, to its first "leader". */
async function starts(rounds: number, start: () => ServerProcess): Promise<Samples> {
  const took: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const from = performance.now();
    const node = start();
    await node.answers((text) => text === "I am the leader\n");
    took.push(performance.now() - from);
    await node.stop();
  }
  return took;
}

/** What goes wrong while three nodes do nothing but renew: failed renewals of all, and own terms that ended. */
async function idle(minutes: number, start: () => ServerProcess): Promise<string[]> {
  const nodes = [start(), start(), start()];
  await ServerProcess.leaderOf(nodes);
  await new Promise((resolve) => setTimeout(resolve, minutes * 60_000));
  const all = await Promise.all(nodes.map(async (node) => {
    const { terms }: { terms: Term[] } = await (await node.fetch("/history")).json();
    return {
      done: await node.metric("leader_node_renew_duration_seconds_count"),
      failed: await node.metric("leader_node_renew_failures_total"),
      lost: terms.filter(({ id, ended }) => id.endsWith(`:${node.port}`) && ended !== null).length,
    };
  }));
  await Promise.all(nodes.map((node) => node.stop()));
  const sum = (name: "done" | "failed" | "lost") => all.reduce((total, counts) => total + counts[name], 0);
  return [`${sum("failed")} of ${sum("done") + sum("failed")}`, String(sum("lost"))];
}

function cell(samples: Samples): string {
  return `${quantile(samples, 0.5).toFixed(0)} (${quantile(samples, 0.95).toFixed(0)})`;
}

const { rounds, minutes } = readNumbers("deno run -A dev/bench/wan.ts", { rounds: 20, minutes: 2 });
endTogether();
try {
  await using etcd = await RemoteEtcd.start();
  const { path } = await executableOfNow();
  console.log(
    "| network | transport | etcd answers, ms | start to leader, ms | handoff at SIGTERM, ms | kill -9, with a watchdog, ms | " +
      `renewals failed in ${minutes} min | terms lost |`,
  );
  console.log("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |");
  for (const { name, ...line } of NETWORKS) {
    etcd.line = line;
    for (const transport of ["grpc", "gateway"]) {
      const start = (...flags: string[]) => ServerProcess.start(path, etcd, ["--transport", transport, ...flags]);
      const answered = await answers(etcd);
      // Before the starts are measured: the first one may unpack the executable.
      const handoffs = await takeover(rounds, "SIGTERM", () => start());
      const crashes = await takeover(rounds, "SIGKILL", () => start("--watchdog"));
      const started = await starts(rounds, () => start());
      const cells = [...[answered, started, handoffs, crashes].map(cell), ...await idle(minutes, () => start())];
      console.log(`| ${[name, transport, ...cells].join(" | ")} |`);
    }
  }
  console.log("\nMedians, with the 95th percentile in parentheses.");
} catch (error) {
  if (!(error instanceof UnsupportedHostError)) throw error;
  console.error(`far: ${error.message}`);
  Deno.exit(2);
}

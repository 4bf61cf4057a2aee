/**
 * `deno run -A dev/bench/many_handoffs.ts [--minutes M]`: a leader change every second, and whether anything grows by it: handoffs,
 * memory, etcd's database. The nodes are processes of their own that are told by HTTP to resign, because that is how
 * they are used, and because a leak of one would hide in the memory of all if they shared a process.
 */
import { endTogether } from "../children.ts";
import { LocalEtcd } from "../local_etcd.ts";
import { readNumbers } from "../number_flags.ts";
import { cpuMs, residentMb } from "../process_stats.ts";
import { Referee } from "../../tests/chaos/referee.ts";
import { executableOfNow } from "./executable.ts";
import { metricIn, ServerProcess } from "./server_process.ts";
import { quantile } from "./samples.ts";

const NODES = 5;
const EVERY_MS = 1000;
/** All nodes are asked this often around a change, seldom in between: asking shall not be what is measured. */
const [CLOSELY_MS, SELDOM_MS] = [2, 200];
const AGREED_WITHIN_MS = 10_000;

/** What everything takes at one moment. */
interface Usage {
  readonly at: number;
  readonly nodesMb: number;
  readonly nodesCpuMs: number;
  readonly etcdMb: number;
  readonly etcdCpuMs: number;
  readonly databaseKb: number;
}

async function usage(nodes: readonly ServerProcess[], etcd: LocalEtcd): Promise<Usage> {
  const metrics = await (await fetch(`${etcd.endpoint}/metrics`)).text();
  return {
    at: performance.now(),
    nodesMb: sum(nodes.map((node) => node.residentMb())) / NODES,
    nodesCpuMs: sum(nodes.map((node) => cpuMs(node.pid))) / NODES,
    etcdMb: residentMb(etcd.pid),
    etcdCpuMs: cpuMs(etcd.pid),
    databaseKb: metricIn(metrics, "etcd_mvcc_db_total_size_in_bytes") / 1e3,
  };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}

function changesSeen(nodes: readonly ServerProcess[]): Promise<number[]> {
  return Promise.all(nodes.map((node) => node.metric("leader_node_leader_changes_total")));
}

/** A row: a measure in the first and in the last part, and by how much it has grown. */
function row(name: string, first: number, last: number): string {
  return `| ${name} | ${first.toFixed(1)} | ${last.toFixed(1)} | ${(last / first).toFixed(2)} |`;
}

const { minutes } = readNumbers("deno run -A dev/bench/many_handoffs.ts", { minutes: 10 });
endTogether();
const { path, folder } = await executableOfNow();
const token = crypto.randomUUID();
await Deno.writeTextFile(`${folder}/token`, token, { mode: 0o600 });
await using etcd = await LocalEtcd.start();
const nodes = Array.from(
  { length: NODES },
  () => ServerProcess.start(path, etcd, ["--control-token-file", `${folder}/token`]),
);
await using _ = { [Symbol.asyncDispose]: () => Promise.all(nodes.map((node) => node.stop())).then(() => {}) };
await Promise.all(nodes.map((node) => node.answers((text) => /leader is on|am the leader/.test(text))));
await using referee = new Referee<ServerProcess>();
for (const node of nodes) referee.watch(node);
let leader = await referee.agreed(AGREED_WITHIN_MS);

const took: number[] = [];
const began = performance.now();

/** The leader resigns, at the next full second. */
async function change(): Promise<void> {
  const early = began + (took.length + 1) * EVERY_MS - performance.now();
  referee.pauseMs = SELDOM_MS;
  await new Promise((resolve) => setTimeout(resolve, early - SELDOM_MS));
  referee.pauseMs = CLOSELY_MS;
  await new Promise((resolve) => setTimeout(resolve, SELDOM_MS));
  const from = performance.now();
  const answered = leader.fetch("/resign", { method: "POST", headers: { authorization: `Bearer ${token}` } });
  await referee.succeeded(leader, AGREED_WITHIN_MS);
  took.push(performance.now() - from);
  const response = await answered;
  if (response.status !== 200) throw new Error(`POST /resign was answered with ${response.status}`);
  await response.body?.cancel();
  leader = await referee.agreed(AGREED_WITHIN_MS);
}

/** What is used after so many changes in all. */
async function after(changes: number): Promise<Usage> {
  while (took.length < changes) await change();
  return await usage(nodes, etcd);
}

const changes = Math.max(4, Math.round(minutes * 60_000 / EVERY_MS));
/** How many make a minute, or a half of it all. */
const part = Math.min(Math.floor(changes / 2), 60_000 / EVERY_MS);
const seenBefore = await changesSeen(nodes);
const first = await after(0);
const firstEnd = await after(part);
const lastBegin = await after(changes - part);
const last = await after(changes);
const seen = (await changesSeen(nodes)).map((count, index) => count - seenBefore[index]!);
const tookMinutes = (performance.now() - began) / 60_000;

const [early, late] = [took.slice(0, part), took.slice(-part)];
const share = (of: "nodesCpuMs" | "etcdCpuMs", from: Usage, to: Usage) => 100 * (to[of] - from[of]) / (to.at - from.at);
console.log(`| measure | first ${part} changes | last ${part} | ratio |\n| --- | ---: | ---: | ---: |`);
console.log(row("handoff, median, ms", quantile(early, 0.5), quantile(late, 0.5)));
console.log(row("handoff, p95, ms", quantile(early, 0.95), quantile(late, 0.95)));
console.log(row("RSS of a node, MB", firstEnd.nodesMb, last.nodesMb));
console.log(row("CPU of a node, %", share("nodesCpuMs", first, firstEnd), share("nodesCpuMs", lastBegin, last)));
console.log(row("RSS of etcd, MB", firstEnd.etcdMb, last.etcdMb));
console.log(row("CPU of etcd, %", share("etcdCpuMs", first, firstEnd), share("etcdCpuMs", lastBegin, last)));
console.log(row("etcd's database, kB", firstEnd.databaseKb, last.databaseKb));
const { claims, violations } = referee;
console.log(`
${changes} changes in ${tookMinutes.toFixed(1)} minutes among ${NODES} nodes; they saw ${seen.join(", ")} of them.
${claims} answers "leader", ${violations.length} while or after another led.`);
for (const violation of violations) console.error(`VIOLATION: ${violation}`);
Deno.exitCode = violations.length > 0 || seen.some((count) => count !== changes) ? 1 : 0;

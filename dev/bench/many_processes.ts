/**
 * `deno run -A dev/bench/many_processes.ts [--nodes N] [--candidates C]`: one election of N nodes, each a process of its own, and of
 * C more candidates in this process, over one connection. The leader is ended by SIGTERM, again and again.
 */
import { endTogether } from "../children.ts";
import { LocalEtcd } from "../local_etcd.ts";
import { NodeProcess } from "../node_process.ts";
import { readNumbers } from "../number_flags.ts";
import { residentMb } from "../process_stats.ts";
import { Connection, Election } from "../../election/mod.ts";
import { quantile } from "./samples.ts";

const NAME = "fleet";
const TTL = 60;
const HANDOFFS = 15;
/** How many nodes start at once: more would only take turns. */
const STARTING = 4;
/** How long all work after a handoff that all know of. */
const AFTERMATH_MS = 500;
/** What joining leaves to do is done by then. */
const SETTLED_MS = 5000;

const count = readNumbers("deno run -A dev/bench/many_processes.ts", { nodes: 100, candidates: 900 });
if (count.nodes < 2) {
  console.error(`deno run -A dev/bench/many_processes.ts: --nodes cannot be ${count.nodes}: expected 2 or more`);
  Deno.exit(2);
}
endTogether();
await using etcd = await LocalEtcd.start();
await using connection = new Connection({ endpoints: [etcd.endpoint] });
const nodes = new Map<string, NodeProcess>();
const elections: Election[] = [];
let leader = { id: "", token: 0 };
/** Who knows of the leader that leads now. */
let informed = new Set<string>();
const news = new EventTarget();

function told(id: string, token: number, leads: boolean): void {
  if (token < leader.token) return;
  if (token > leader.token) {
    leader = { id: "", token };
    informed = new Set();
  }
  if (leads) leader.id = id;
  informed.add(id);
  news.dispatchEvent(new Event("told"));
}

/** Resolves with the moment at which something is so. */
async function moment(isSo: () => boolean): Promise<number> {
  while (!isSo()) await new Promise((resolve) => news.addEventListener("told", resolve, { once: true }));
  return performance.now();
}

const allKnow = () => leader.id !== "" && informed.size === nodes.size + elections.length;
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

function startNode(id: string): void {
  const at = ["--hostname", "127.0.0.1", "--port", "0", "--endpoints", etcd.endpoint];
  const node = new NodeProcess([...at, "--id", id, "--election", NAME, "--ttl", String(TTL)], (line) => {
    if (typeof line === "string") return console.error(`${id}: ${line}`);
    if (line.event === "leading" || line.event === "following") told(id, Number(line.token), line.event === "leading");
  });
  nodes.set(id, node);
}

function join(id: string): void {
  const election = new Election({ name: NAME, connection, ttlSeconds: TTL, candidate: { id } });
  elections.push(election);
  (async () => {
    for await (const { role, leader } of election) if (leader) told(id, Number(leader.token), role === "leader");
  })();
}

for (let started = 0; started < count.nodes; started++) {
  startNode(`node-${started}`);
  await moment(() => informed.size > started - STARTING);
}
await moment(allKnow);
const joining = performance.now();
for (let joined = 0; joined < count.candidates; joined++) join(`candidate-${joined}`);
const joinMs = await moment(allKnow) - joining;

await pause(SETTLED_MS);
const nodeMb = quantile([...nodes.values()].map(({ pid }) => residentMb(pid)), 0.5);

const [leads, all]: [number[], number[]] = [[], []];
for (let round = 0; round < Math.min(HANDOFFS, count.nodes - 1); round++) {
  const [node, { token }] = [nodes.get(leader.id)!, leader];
  nodes.delete(leader.id);
  const from = performance.now();
  node.kill("SIGTERM");
  leads.push(await moment(() => leader.token > token && leader.id !== "") - from);
  all.push(await moment(allKnow) - from);
  await node.exited;
  await pause(AFTERMATH_MS);
}

const row = [
  ["nodes", count.nodes],
  ["other candidates", count.candidates],
  ["others know the leader, ms", joinMs],
  ["next leads, ms", quantile(leads, 0.5)],
  ["all know the next, ms", quantile(all, 0.5)],
  ["RSS of a node, MB", nodeMb],
] as const;
console.log(`| ${row.map(([name]) => name).join(" | ")} |\n| ${row.map(() => "---:").join(" | ")} |`);
console.log(`| ${row.map(([, value]) => value.toFixed(0)).join(" | ")} |`);

for (const node of nodes.values()) node.kill("SIGTERM");
await Promise.all([...nodes.values()].map((node) => node.exited));
await Promise.all(elections.map((election) => election.stop()));

import type { Candidate, ElectionStatus, Leader } from "../../election/mod.ts";
import { leaderProblem } from "../../http/answers.ts";
import { type Answer, askNode } from "./ask.ts";
import type { NodeStatus } from "./node_answers.ts";
import { paint, type Show, span, table } from "./table.ts";
import { visibleJson } from "../visible.ts";

/** The answer of one node, or why there is none. */
export interface NodeReport<T> {
  readonly candidate: Candidate;
  readonly answer?: Answer<T>;
  readonly problem?: string;
}

/** An election according to etcd and to its nodes. */
export interface StatusReport {
  readonly leader?: Leader;
  /** For how many milliseconds it has led, as it says itself: etcd knows only since when it was queued. */
  readonly leadingMs?: number;
  readonly nodes: readonly NodeReport<NodeStatus>[];
  /** Where the nodes contradict etcd, as texts for the user. */
  readonly doubts: readonly string[];
}

/** How many nodes are asked at most. */
const MAX_NODES = 100;
/** How many of them at once. */
const AT_ONCE = 24;

/** Asks the nodes that have a URL, the first ones of a long queue, and some of them at the same time. */
export async function askNodes<T>(
  queue: readonly Candidate[],
  path: string,
  parse: (body: unknown) => T | undefined,
): Promise<NodeReport<T>[]> {
  const reports: NodeReport<T>[] = [];
  const left = queue.entries();
  const askInTurn = async () => {
    for (const [index, candidate] of left) {
      reports[index] = index < MAX_NODES
        ? await ask(candidate, path, parse)
        : { candidate, problem: `not asked: only the first ${MAX_NODES} are` };
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, askInTurn));
  return reports;
}

async function ask<T>(
  candidate: Candidate,
  path: string,
  parse: (body: unknown) => T | undefined,
): Promise<NodeReport<T>> {
  if (!candidate.url) return { candidate, problem: "has no URL" };
  try {
    return { candidate, answer: await askNode(candidate.url + path, parse) };
  } catch (error) {
    return { candidate, problem: (error as Error).message.replace(candidate.url + path, "").trim() };
  }
}

/** Compares the nodes' answers with etcd. */
export function compare(
  { state: { leader }, queue }: ElectionStatus,
  nodes: readonly NodeReport<NodeStatus>[],
): StatusReport {
  const doubts: string[] = [];
  const problem = leaderProblem(queue, leader?.token);
  if (problem) doubts.push(`${leader!.id}: ${problem}`);
  for (const { candidate: { id, token }, answer } of nodes) {
    if (!answer) continue;
    const { node, isLeader, leader: itsLeader } = answer.body;
    if (node !== id) doubts.push(`the URL of ${id} is answered by ${node}`);
    else if (isLeader && token !== leader?.token) {
      doubts.push(`${id} claims to be the leader; according to etcd it is ${leader?.id ?? "nobody"}`);
    } else if (itsLeader !== leader?.id) doubts.push(`${id} considers ${itsLeader ?? "nobody"} the leader`);
  }
  const asked = nodes.find(({ candidate: { token } }) => token === leader?.token);
  if (asked?.candidate.url && asked.problem) doubts.push(`the leader, ${leader!.id}, ${asked.problem}`);
  else if (leader && nodes.some(({ candidate: { url } }) => url) && nodes.every(({ answer }) => !answer)) {
    doubts.push("no node answered");
  }
  return { leader, leadingMs: leadingMs(asked?.answer?.body), nodes, doubts };
}

/** For how many milliseconds a node has led, by its own clock; undefined if it does not say that it leads. */
function leadingMs(status: NodeStatus | undefined): number | undefined {
  return status?.isLeader && status.since !== undefined ? status.timestamp - status.since : undefined;
}

/** The report as text. */
export function statusText(election: string, { leader, leadingMs, nodes, doubts }: StatusReport, show: Show): string {
  const lines = [
    leader
      ? `${paint({ text: leader.id, colour: "green" }, show)} leads ${election} with token ${leader.token}` +
        (leadingMs === undefined ? "" : `, for ${span(leadingMs)}`)
      : paint({ text: `${election} has no leader`, colour: "red" }, show),
  ];
  if (nodes.length > 0) {
    const rows = nodes.map(({ candidate: { id, url }, answer, problem }) => [
      id,
      problem ? { text: problem, colour: "yellow" } as const : answer!.body.role,
      answer?.body.leader ?? "",
      answer ? `${answer.tookMs.toFixed(0)} ms` : "",
      answer?.body.version ?? "",
      url ?? "",
    ]);
    lines.push("", table(["NODE", "ROLE", "LEADER", "LATENCY", "VERSION", "URL"], rows, show));
  }
  for (const doubt of doubts) lines.push("", paint({ text: doubt, colour: "red" }, show));
  return lines.join("\n");
}

/** The report as one line of JSON. */
export function statusJson(election: string, { leader, nodes, doubts }: StatusReport): string {
  return visibleJson({
    election,
    leader: leader?.id ?? null,
    leader_url: leader?.url ?? null,
    token: leader ? Number(leader.token) : null,
    nodes: nodes.map(({ candidate: { id, url }, answer, problem }) => ({
      id,
      url: url ?? null,
      role: answer?.body.role ?? null,
      leader: answer?.body.leader ?? null,
      problem: problem ?? null,
    })),
    doubts,
  });
}

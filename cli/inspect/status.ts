import type { Candidate, ElectionStatus, Leader } from "../../election/mod.ts";
import { type Answer, askNode } from "./ask.ts";
import { paint, type Show, since, table } from "./table.ts";

/** The answer of one node, or why there is none. */
export interface NodeReport {
  readonly candidate: Candidate;
  readonly answer?: Answer;
  readonly problem?: string;
}

/** An election according to etcd and to its nodes. */
export interface StatusReport {
  readonly leader?: Leader;
  readonly nodes: readonly NodeReport[];
  /** Where the nodes contradict etcd, as texts for the user. */
  readonly doubts: readonly string[];
}

/** Asks all nodes that have a URL. */
export function askNodes(queue: readonly Candidate[], path = "/status"): Promise<NodeReport[]> {
  return Promise.all(queue.map(async (candidate): Promise<NodeReport> => {
    if (!candidate.url) return { candidate, problem: "has no URL" };
    try {
      return { candidate, answer: await askNode(candidate.url + path) };
    } catch (error) {
      return { candidate, problem: (error as Error).message.replace(candidate.url + path, "").trim() };
    }
  }));
}

/** Compares the nodes' answers with etcd. */
export function compare({ state: { leader } }: ElectionStatus, nodes: readonly NodeReport[]): StatusReport {
  const doubts: string[] = [];
  for (const { candidate: { id, token }, answer } of nodes) {
    if (!answer) continue;
    const { node, is_leader, leader: itsLeader } = answer.body;
    if (node !== id) doubts.push(`the URL of ${id} is answered by ${node}`);
    else if (is_leader && token !== leader?.token) {
      doubts.push(`${id} claims to be the leader; according to etcd it is ${leader?.id ?? "nobody"}`);
    } else if (itsLeader !== leader?.id) doubts.push(`${id} considers ${itsLeader ?? "nobody"} the leader`);
  }
  if (leader && nodes.some(({ candidate: { url } }) => url) && nodes.every(({ answer }) => !answer)) {
    doubts.push("no node answered");
  }
  return { leader, nodes, doubts };
}

/** The report as text. */
export function statusText(election: string, { leader, nodes, doubts }: StatusReport, show: Show): string {
  const leadingFor = since(leader?.since);
  const lines = [
    leader
      ? `${paint({ text: leader.id, colour: "green" }, show)} leads ${election} with token ${leader.token}` +
        (leadingFor && `, for ${leadingFor}`)
      : paint({ text: `${election} has no leader`, colour: "red" }, show),
  ];
  if (nodes.length > 0) {
    const rows = nodes.map(({ candidate: { id, url }, answer, problem }) => [
      id,
      problem ? { text: problem, colour: "yellow" } as const : String(answer!.body.role),
      answer ? String(answer.body.leader ?? "") : "",
      answer ? `${answer.tookMs.toFixed(0)} ms` : "",
      answer ? String(answer.body.version) : "",
      url ?? "",
    ]);
    lines.push("", table(["NODE", "ROLE", "LEADER", "LATENCY", "VERSION", "URL"], rows, show));
  }
  for (const doubt of doubts) lines.push("", paint({ text: doubt, colour: "red" }, show));
  return lines.join("\n");
}

/** The report as one line of JSON. */
export function statusJson(election: string, { leader, nodes, doubts }: StatusReport): string {
  return JSON.stringify({
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

import type { Candidate, ElectionStatus, Leader } from "../../election/mod.ts";
import { type Answer, askNode } from "./ask.ts";
import { paint, type Show, since, table } from "./table.ts";

/** What one node says, or why it says nothing. */
export interface NodeReport {
  readonly candidate: Candidate;
  readonly answer?: Answer;
  readonly problem?: string;
}

/** An election as etcd and its nodes tell it. */
export interface StatusReport {
  readonly leader?: Leader;
  readonly nodes: readonly NodeReport[];
  /** What does not fit together, for a person. */
  readonly doubts: readonly string[];
}

/** Asks all nodes that say where they can be asked. */
export function askNodes(queue: readonly Candidate[], path = "/status"): Promise<NodeReport[]> {
  return Promise.all(queue.map(async (candidate): Promise<NodeReport> => {
    if (!candidate.url) return { candidate, problem: "does not say where it can be asked" };
    try {
      return { candidate, answer: await askNode(candidate.url + path) };
    } catch (error) {
      return { candidate, problem: (error as Error).message.replace(candidate.url + path, "").trim() };
    }
  }));
}

/** Whether etcd and the nodes agree. */
export function judge({ state: { leader } }: ElectionStatus, nodes: readonly NodeReport[]): StatusReport {
  const doubts: string[] = [];
  for (const { candidate: { id, token }, answer } of nodes) {
    if (!answer) continue;
    const { node, is_leader, leader: named } = answer.body;
    if (node !== id) doubts.push(`where ${id} should be, ${node} answers`);
    else if (is_leader && token !== leader?.token) {
      doubts.push(`${id} says that it leads, etcd says ${leader?.id ?? "nobody"}`);
    } else if (named !== leader?.id) doubts.push(`${id} takes ${named ?? "nobody"} for the leader`);
  }
  if (leader && nodes.some(({ candidate: { url } }) => url) && nodes.every(({ answer }) => !answer)) {
    doubts.push("no node could be asked");
  }
  return { leader, nodes, doubts };
}

/** The report for a person. */
export function statusText(election: string, { leader, nodes, doubts }: StatusReport, show: Show): string {
  const led = since(leader?.since);
  const lines = [
    leader
      ? `${paint({ text: leader.id, colour: "green" }, show)} leads ${election} with token ${leader.token}` +
        (led && `, for ${led}`)
      : paint({ text: `nobody leads ${election}`, colour: "red" }, show),
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
    lines.push("", table(["NODE", "SAYS", "LEADER", "TOOK", "VERSION", "URL"], rows, show));
  }
  for (const doubt of doubts) lines.push("", paint({ text: doubt, colour: "red" }, show));
  return lines.join("\n");
}

/** The report for a program. */
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

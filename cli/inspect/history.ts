import { END_REASON_TEXTS, type EndReason } from "../../http/history.ts";
import { AskError } from "./ask.ts";
import type { NodeReport } from "./status.ts";
import { type Show, since, span, table } from "./table.ts";

/** A term as a node tells it at `/history`. */
export interface TermLine {
  readonly token: number;
  readonly id: string;
  readonly from: string | null;
  readonly to: string | null;
  readonly ended: string | null;
}

/**
 * The terms that any of the nodes has seen, the newest first. Of one term, the node is believed that knows most.
 *
 * @throws {AskError} If no node could be asked.
 */
export function mergeHistories(nodes: readonly NodeReport[]): TermLine[] {
  const answers = nodes.flatMap(({ answer }) => answer ? [answer] : []);
  if (answers.length === 0) {
    const why = nodes.map(({ candidate: { id }, problem }) => `${id}: ${problem}`).join("; ");
    throw new AskError(`no node could be asked for its history: ${why || "nobody is in the queue"}`);
  }
  const terms = new Map<string, TermLine>();
  for (const { body } of answers) {
    for (const term of Array.isArray(body.terms) ? body.terms as TermLine[] : []) {
      const key = `${term.token} ${term.id}`;
      const known = terms.get(key);
      if (!known || weight(term) > weight(known)) terms.set(key, term);
    }
  }
  // An etcd that lost its data counts tokens from the beginning.
  return [...terms.values()].sort((a, b) => began(b) - began(a) || b.token - a.token);
}

function began({ from }: TermLine): number {
  return from ? Date.parse(from) : 0;
}

function weight({ from, to, ended }: TermLine): number {
  return (from ? 1 : 0) + (to ? 2 : 0) + (ended && ended !== "unknown" ? 4 : 0);
}

function endReasonText(ended: string | null): string {
  const reason = ended ?? "unknown";
  return Object.hasOwn(END_REASON_TEXTS, reason) ? END_REASON_TEXTS[reason as EndReason] : reason;
}

/** The terms as a table. */
export function historyTable(terms: readonly TermLine[], show: Show): string {
  if (terms.length === 0) return "no terms yet";
  const rows = terms.map(({ token, id, from, to, ended }) => [
    String(token),
    String(id),
    from ?? "",
    from ? to ? span(Date.parse(to) - Date.parse(from)) : since(new Date(from)) : "",
    to ? endReasonText(ended) : { text: "goes on", colour: "green" } as const,
  ]);
  return table(["TOKEN", "LEADER", "FROM", "FOR", "ENDED"], rows, show);
}

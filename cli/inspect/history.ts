import { END_REASON_TEXTS } from "../../http/history.ts";
import { AskError } from "./ask.ts";
import type { TermLine } from "./node_answers.ts";
import type { NodeReport } from "./status.ts";
import { type Show, since, span, table } from "./table.ts";

/**
 * The terms that any of the nodes has seen, the newest first. For each term, the most complete record counts.
 *
 * @throws {AskError} If no node answered.
 */
export function mergeHistories(nodes: readonly NodeReport<readonly TermLine[]>[]): TermLine[] {
  const answers = nodes.flatMap(({ answer }) => answer ? [answer] : []);
  if (answers.length === 0) {
    const why = nodes.map(({ candidate: { id }, problem }) => `${id}: ${problem}`).join("; ");
    throw new AskError(`no node answered: ${why || "the queue is empty"}`);
  }
  const terms = new Map<string, TermLine>();
  for (const { body } of answers) {
    for (const term of body) {
      const key = `${term.token} ${term.id}`;
      const known = terms.get(key);
      if (!known || completeness(term) > completeness(known)) terms.set(key, term);
    }
  }
  // By time first: tokens start again from 1 if etcd loses its data.
  return [...terms.values()].sort((a, b) => startTime(b) - startTime(a) || b.token - a.token);
}

function startTime({ from }: TermLine): number {
  return from ? Date.parse(from) : 0;
}

function completeness({ from, to, ended }: TermLine): number {
  return (from ? 1 : 0) + (to ? 2 : 0) + (ended && ended !== "unknown" ? 4 : 0);
}

/** The terms as a table. */
export function historyTable(terms: readonly TermLine[], show: Show): string {
  if (terms.length === 0) return "no terms yet";
  const rows = terms.map(({ token, id, from, to, ended }) => [
    String(token),
    id,
    from ?? "",
    from ? to ? span(Date.parse(to) - Date.parse(from)) : since(new Date(from)) : "",
    to ? END_REASON_TEXTS[ended ?? "unknown"] : { text: "ongoing", colour: "green" } as const,
  ]);
  return table(["TOKEN", "LEADER", "FROM", "FOR", "ENDED"], rows, show);
}

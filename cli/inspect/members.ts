import type { ElectionStatus } from "../../election/mod.ts";
import { membersBody } from "../../http/answers.ts";
import { leftoverProblem } from "../../http/leftover.ts";
import { paint, type Show, since, table } from "./table.ts";
import { visibleJson } from "../visible.ts";

/** The queue as a table. */
export function membersTable({ queue, state }: ElectionStatus, show: Show): string {
  if (queue.length === 0) return "the queue is empty";
  const rows = queue.map(({ id, url, token, since: from, priority }, index) => {
    const leads = token === state.leader?.token;
    return [
      String(index + 1),
      { text: id, colour: leads ? "green" : undefined } as const,
      leads ? "leader" : "candidate",
      String(token),
      priority === undefined ? "" : String(priority),
      since(from),
      url ?? "",
    ];
  });
  const problems = queue.flatMap((candidate) => {
    const problem = leftoverProblem(candidate);
    return problem ? ["", paint({ text: `${candidate.id}: ${problem}`, colour: "red" }, show)] : [];
  });
  const text = table(["#", "ID", "ROLE", "TOKEN", "PRIORITY", "QUEUED FOR", "URL"], rows, show);
  return [text, ...problems].join("\n");
}

/** The queue as one line of JSON, as in `GET /members`. */
export function membersJson(status: ElectionStatus): string {
  return visibleJson(membersBody(status).members);
}

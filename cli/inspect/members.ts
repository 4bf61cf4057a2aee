import type { ElectionStatus } from "../../election/mod.ts";
import { leftoverProblem } from "../../http/leftover.ts";
import { leaderOf, memberBody } from "../../http/members.ts";
import { visibleJson } from "../visible.ts";
import { paint, type Show, since, table } from "./table.ts";

/** The queue as a table. */
export function membersTable(status: ElectionStatus, show: Show): string {
  const { queue } = status;
  if (queue.length === 0) return "the queue is empty";
  const leader = leaderOf(status);
  const rows = queue.map(({ id, url, token, since: from, priority }, index) => {
    const leads = index === leader;
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

/** The whole queue as one line of JSON, each candidate as in `GET /members`. */
export function membersJson(status: ElectionStatus): string {
  const leader = leaderOf(status);
  return visibleJson(status.queue.map((candidate, index) => memberBody(candidate, index + 1, index === leader)));
}

import { AskError, askNode } from "./inspect/ask.ts";
import type { ControlConfig } from "./control_flags.ts";

/** To stop a command may take long. */
const TIMEOUT_MS = 30_000;

/**
 * Asks the leader to hand the lead on, and says in a line what came of it.
 *
 * @throws {AskError} If it did not, with a line that says why.
 */
export async function transferLeadership({ action, url, leader, candidate, token }: ControlConfig): Promise<string> {
  const status = (await askNode(`${url}/status`)).body;
  if (!status.leader) throw new AskError("there is no leader");
  if (leader !== undefined && leader !== status.leader) {
    throw new AskError(`${status.leader} leads, not ${leader}`);
  }
  if (candidate !== undefined && status.leader === candidate) return `${candidate} leads already`;
  if (!status.leader_url) throw new AskError(`${status.leader} leads and does not say where it can be asked`);
  const { body: next } = await askNode(`${status.leader_url}/${action}`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}` },
    body: JSON.stringify({ leader: status.leader, candidate }),
  }, TIMEOUT_MS);
  return next.leader ? `${next.leader} leads, ${status.leader} did` : `${status.leader} has resigned; nobody leads yet`;
}

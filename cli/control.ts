import { AskError, askNode } from "./inspect/ask.ts";
import { parseStatus, parseTransfer } from "./inspect/node_answers.ts";
import type { ControlConfig } from "./control_flags.ts";

/** Long enough for the leader to stop its command. */
const TIMEOUT_MS = 30_000;

/**
 * Asks the leader to hand over, and describes the outcome in one line.
 *
 * @throws {AskError} If a node cannot be reached, or the transfer is refused or fails.
 */
export async function transferLeadership({ action, url, leader, candidate, token }: ControlConfig): Promise<string> {
  const { body: status } = await askNode(`${url}/status`, parseStatus);
  if (!status.leader) throw new AskError("there is no leader");
  if (leader !== undefined && leader !== status.leader) {
    throw new AskError(`the leader is ${status.leader}, not ${leader}`);
  }
  if (candidate !== undefined && status.leader === candidate) return `${candidate} is already the leader`;
  if (!status.leaderUrl) throw new AskError(`the leader, ${status.leader}, has no URL`);
  const { body: next } = await askNode(`${status.leaderUrl}/${action}`, parseTransfer, {
    post: { token, body: { leader: status.leader, candidate } },
    timeoutMs: TIMEOUT_MS,
  });
  if (!next.leader) return `${status.leader} has resigned; there is no new leader yet`;
  return `${next.leader} leads now (before: ${status.leader})`;
}

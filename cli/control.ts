import type { ControlConfig } from "./control_flags.ts";
import { AskError, askNode, isLoopback, NoAnswerError } from "./inspect/ask.ts";
import { type NodeStatus, parseStatus, parseTransfer } from "./inspect/node_answers.ts";

/** Long enough for the leader to stop its command. */
const TIMEOUT_MS = 30_000;

/**
 * Asks the leader to hand over, and describes the outcome in one line.
 *
 * @throws {AskError} If a node cannot be reached, or the transfer is refused or fails.
 */
export async function transferLeadership(config: ControlConfig, timeoutMs = TIMEOUT_MS): Promise<string> {
  const { action, url, leader, candidate, token, trustedHosts } = config;
  const { body: status } = await askNode(`${url}/status`, parseStatus);
  if (!status.leader) throw new AskError("there is no leader");
  if (leader !== undefined && leader !== status.leader) {
    throw new AskError(`the leader is ${status.leader}, not ${leader}`);
  }
  if (candidate !== undefined && status.leader === candidate) return `${candidate} is already the leader`;
  const leaderUrl = tokenUrl(url, status, trustedHosts);
  const { body: next } = await askNode(`${leaderUrl}/${action}`, parseTransfer, {
    post: { token, body: { leader: status.leader, candidate } },
    timeoutMs,
  }).catch((error) => {
    if (!(error instanceof NoAnswerError)) throw error;
    const seconds = timeoutMs / 1000;
    throw new AskError(
      `no answer from the leader, ${status.leader}, at ${leaderUrl} within ${seconds} s: it is out of reach, or its ` +
        "command takes longer to stop; leader-node status tells who leads",
    );
  });
  if (!next.leader) return `${status.leader} has resigned; there is no new leader yet`;
  return `${next.leader} leads now (before: ${status.leader})`;
}

/**
 * The URL that may get the control token: the asked node, if it leads, or else the leader, if it has the same scheme
 * and the host of the asked node or a trusted one. Everyone who can write to etcd can make a node name any URL.
 *
 * @throws {AskError} If the token must not go there.
 */
export function tokenUrl(asked: string, status: NodeStatus, trustedHosts: readonly string[] = []): string {
  if (status.isLeader) return asked;
  const { leader, leaderUrl } = status;
  if (leaderUrl === undefined) throw new AskError(`the leader, ${leader}, has no URL`);
  const [from, to] = [new URL(asked), new URL(leaderUrl)];
  const refused = (reason: string) =>
    new AskError(
      `the control token was not sent: the leader, ${leader}, is at ${leaderUrl}, ${reason}; ` +
        `if that is a node of yours, use --url ${leaderUrl}`,
    );
  if (to.protocol !== from.protocol) throw refused(`but --url has ${from.protocol.slice(0, -1)}`);
  // What the asked node says of itself does not come from etcd.
  const own = URL.parse(status.url ?? "")?.hostname;
  if (![from.hostname, own, ...trustedHosts].some((host) => host !== undefined && sameHost(host, to.hostname))) {
    throw refused("another host than that of --url");
  }
  return leaderUrl;
}

function sameHost(a: string, b: string): boolean {
  return a === b || (isLoopback(a) && isLoopback(b));
}

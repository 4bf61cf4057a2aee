import type { Candidate, ElectionStatus, Leader, Queue, RoleState } from "../election/mod.ts";
import type { History } from "./history.ts";
import { leftoverProblem } from "./leftover.ts";

/** How the command exited. */
export interface CommandExit {
  /** Its exit code, or 128 plus the number of the signal that ended it. */
  readonly code: number;
  /** The signal that ended it, such as `SIGTERM`; null if it exited on its own. */
  readonly signal: string | null;
}

/** The state of the command at one moment. */
export interface CommandStatus {
  /** Whether it is running. */
  readonly running: boolean;
  /** The id of its first process, while it is running. */
  readonly pid?: number;
  /** How many times it was started since the node started. */
  readonly starts: number;
  /** How it exited the last time; absent before the first exit. */
  readonly lastExit?: CommandExit;
}

/** Enables leadership transfers over HTTP: `POST /resign` and `POST /switchover`. */
export interface Control {
  /** The bearer token that requests must carry. It should be long and random. */
  readonly token: string;
  /**
   * Hands over leadership, to `to` or to the waiting candidate with the highest priority; `Election.resign` does.
   * Rejects with `HandoffError` if `to` cannot become the leader, which is answered with 412.
   */
  resign(options: { to?: Candidate }): Promise<void>;
  /** Called for every accepted request, for the audit log. Its fields are `request` (the action) and `candidate`. */
  onRequest(request: Readonly<Record<string, string | undefined>>): void;
  /**
   * Called for every request without the token or with a wrong one, for the audit log. Its fields are `request` (the
   * action) and `remote` (the client's address, if the server passes it to the handler).
   */
  onRefused?(request: Readonly<Record<string, string | undefined>>): void;
}

/** The state that answers are computed from. Taken anew for every request. */
export interface NodeSnapshot {
  /** This node's id. */
  readonly id: string;
  /** The URL under which other nodes reach this node. */
  readonly url: string;
  /** The program's version. */
  readonly version: string;
  /** The state of the election. */
  readonly status: ElectionStatus;
  /** The command that runs while this node leads, if there is one. */
  readonly command?: CommandStatus;
  /** The node's watchdog, if it has one; without a pid while it is being restarted. */
  readonly watchdog?: { readonly pid?: number };
  /** The terms that this node has seen. */
  readonly history: Pick<History, "terms" | "changes" | "leaderlessMs">;
  /** Absent if leadership transfers over HTTP are disabled. */
  readonly control?: Control;
}

/** Who leads, in one line of text. */
export function roleText(state: RoleState, ownUrl: string): string {
  if (state.role === "leader") return "I am the leader";
  return `I am a follower and ${
    state.leader ? `the leader is ${describeLeader(state.leader, ownUrl)}` : "there is no leader"
  }`;
}

function describeLeader({ id, url }: Leader, ownUrl: string): string {
  if (!url) return id;
  const { hostname, port, protocol } = new URL(url);
  if (hostname !== URL.parse(ownUrl)?.hostname) return `at ${url}`;
  return `on port ${port || (protocol === "https:" ? 443 : 80)}`;
}

/** The body of `/status`. Its first fields have the names that the leader-elector sidecar uses. */
export function statusBody({ id, url, version, status, command, watchdog }: NodeSnapshot): Record<string, unknown> {
  const { state, lease, queueAgeMs } = status;
  const { leader } = state;
  return {
    name: leader?.id ?? "",
    is_leader: state.role === "leader",
    leader: leader?.id ?? null,
    node: id,
    timestamp: new Date().toISOString(),
    role: state.role,
    url,
    leader_url: leader?.url ?? null,
    token: leader ? Number(leader.token) : null,
    since: leader?.since?.toISOString() ?? null,
    lease: lease ? { id: lease.id, ttl: lease.ttlMs / 1000, expires_in_ms: Math.round(lease.expiresInMs) } : null,
    queue_age_ms: queueAgeMs === undefined ? null : Math.round(queueAgeMs),
    command: command
      ? {
        running: command.running,
        pid: command.pid ?? null,
        starts: command.starts,
        last_exit: command.lastExit ?? null,
      }
      : null,
    watchdog: watchdog ? { pid: watchdog.pid ?? null } : null,
    version,
  };
}

/** The body of `/members`: the queue, as this node last saw it. */
export function membersBody({ queue, state, queueAgeMs }: ElectionStatus): Record<string, unknown> {
  const members = queue.map((candidate) => memberBody(candidate, state.leader?.token));
  return { members, queue_age_ms: queueAgeMs === undefined ? null : Math.round(queueAgeMs) };
}

function memberBody(candidate: Candidate, leader: bigint | undefined): Record<string, unknown> {
  const { id, url, token, since, priority } = candidate;
  return {
    id,
    url: url ?? null,
    token: Number(token),
    role: token === leader ? "leader" : "candidate",
    since: since?.toISOString() ?? null,
    priority: priority ?? null,
    problem: leftoverProblem(candidate) ?? null,
  };
}

/** What is wrong with the key of the leader, if anything is. */
export function leaderProblem([first]: Queue, leader: bigint | undefined): string | undefined {
  return first && first.token === leader ? leftoverProblem(first) : undefined;
}

/** The body of `/history`: the terms that this node has seen, the newest first. */
export function historyBody({ history }: NodeSnapshot): Record<string, unknown> {
  const terms = history.terms.map(({ token, id, url, from, to, ended }) => ({
    token: Number(token),
    id,
    url: url ?? null,
    from: from?.toISOString() ?? null,
    to: to?.toISOString() ?? null,
    ended: to ? ended ?? null : null,
  }));
  return { changes: history.changes, terms: terms.reverse() };
}

/** Whether the node is in the queue and knows a leader, with one line per check. */
export function readiness(
  { status: { state, queue, inQueue, queueAgeMs, etcdError } }: NodeSnapshot,
): { ready: boolean; lines: string[] } {
  const connected = state.role === "leader" || state.role === "follower";
  const answered = queueAgeMs === undefined ? "has not answered yet" : `answered ${Math.round(queueAgeMs)} ms ago`;
  const age = etcdError === undefined ? answered : `${answered}: ${etcdError}`;
  const problem = state.leader && leaderProblem(queue, state.leader.token);
  const leader = `the leader is ${state.leader?.id}${problem ? `, ${problem}` : ""}`;
  const checks: [boolean, string][] = [
    [connected, `etcd ${age}`],
    [inQueue, inQueue ? "this node takes part in the election" : "this node does not take part in the election"],
    [state.leader !== undefined && !problem, state.leader ? leader : "there is no leader"],
  ];
  return {
    ready: checks.every(([ok]) => ok),
    lines: checks.map(([ok, text]) => `[${ok ? "+" : "-"}] ${text}`),
  };
}

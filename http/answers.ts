import type { Candidate, ElectionStatus, Leader, Queue, RoleState } from "../election/mod.ts";
import type { History } from "./history.ts";
import { leftoverProblem } from "./leftover.ts";
import { membersFields, shownMeta } from "./members.ts";

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

/** The state of the node's log. */
export interface LogStatus {
  /** Milliseconds for which lines have waited without progress; 0 if none waits. */
  readonly stuckForMs: number;
  /** Number of lines that were dropped. */
  readonly dropped: number;
}

/** The state of the watchdog. */
export interface WatchdogStatus {
  /** Its process; absent while it is being restarted. */
  readonly pid?: number;
  /** Why it cannot be started. */
  readonly error?: string;
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
  /** The node's watchdog, if it has one. */
  readonly watchdog?: WatchdogStatus;
  /** The state of the node's log, if known. */
  readonly log?: LogStatus;
  /** The terms that this node has seen. */
  readonly history: Pick<History, "terms" | "changes" | "leaderlessMs" | "revision">;
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
  const { hostname, port, protocol, pathname } = new URL(url);
  if (pathname !== "/" || !URL.canParse(ownUrl) || hostname !== new URL(ownUrl).hostname) return `at ${url}`;
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
    leader_meta: shownMeta(leader?.meta),
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

/** The body of `/members`, as JSON: the queue, as this node last saw it. */
export function membersText(status: ElectionStatus): string {
  const { queueAgeMs } = status;
  return `{${membersFields(status)},"queue_age_ms":${queueAgeMs === undefined ? null : Math.round(queueAgeMs)}}`;
}

/** What is wrong with the key of the leader, if anything is. */
export function leaderProblem([first]: Queue, leader: bigint | undefined): string | undefined {
  return first && first.token === leader ? leftoverProblem(first) : undefined;
}

/** The body of `/history`: the terms that this node has seen, the newest first. */
function historyBody({ terms, changes }: NodeSnapshot["history"], limit: number): Record<string, unknown> {
  const newest = terms.toReversed().slice(0, limit).map(({ token, id, url, from, to, ended }) => ({
    token: Number(token),
    id,
    url: url ?? null,
    from: from?.toISOString() ?? null,
    to: to?.toISOString() ?? null,
    ended: to ? ended ?? null : null,
  }));
  return { changes, terms: newest };
}

/** How many of the newest terms an event contains; `/history` has more. */
const MAX_EVENT_TERMS = 50;

const madeHistories = new WeakMap<NodeSnapshot["history"], { revision: number; all: string; newest: string }>();

/** The body of `/history` and the part of it in an event, both as JSON; made once until the history changes. */
export function historyTexts({ history }: NodeSnapshot): { readonly all: string; readonly newest: string } {
  const before = madeHistories.get(history);
  if (before?.revision === history.revision) return before;
  const [all, newest] = [Infinity, MAX_EVENT_TERMS].map((limit) => JSON.stringify(historyBody(history, limit)));
  const made = { revision: history.revision, all: all!, newest: newest! };
  madeHistories.set(history, made);
  return made;
}

/** Milliseconds after which a log without progress is reported. */
const LOG_STUCK_MS = 1000;

/** Whether the node is in the queue and knows a leader, with one line per check and per problem. */
export function readiness(
  { status: { state, queue, inQueue, queueAgeMs, etcdError }, log, watchdog }: NodeSnapshot,
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
    lines: [...checks.map(([ok, text]) => `[${ok ? "+" : "-"}] ${text}`), ...warnings({ log, watchdog })],
  };
}

/** What is wrong, but does not keep the node from its work. */
function warnings({ log, watchdog }: Pick<NodeSnapshot, "log" | "watchdog">): string[] {
  const lines: string[] = [];
  if (log && log.stuckForMs >= LOG_STUCK_MS) {
    const seconds = Math.round(log.stuckForMs / 1000);
    lines.push(`[!] the log has not been written for ${seconds} s; lines dropped so far: ${log.dropped}`);
  }
  if (watchdog?.error !== undefined) {
    const what = watchdog.pid === undefined ? "there is no watchdog" : "another watchdog could not be started";
    lines.push(`[!] ${what}: ${watchdog.error}`);
  }
  return lines;
}

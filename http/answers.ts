import type { Candidate, ElectionStatus, Leader, RoleState } from "../election/mod.ts";
import type { History } from "./history.ts";

/** How a command ended. */
export interface CommandExit {
  /** Its exit code, or 128 and the number of the signal that ended it. */
  readonly code: number;
  /** The signal that ended it, if one did. */
  readonly signal: string | null;
}

/** What is known of the command at one moment. */
export interface CommandStatus {
  /** Whether it runs. */
  readonly running: boolean;
  /** The first process of it, while it runs. */
  readonly pid?: number;
  /** How often it was started. */
  readonly starts: number;
  /** How it ended last. */
  readonly lastExit?: CommandExit;
}

/** How the node's log is doing. */
export interface LogStatus {
  /** For how many milliseconds lines have waited without any progress; 0 when none waits. */
  readonly stuckForMs: number;
  /** How many lines were dropped so far. */
  readonly dropped: number;
}

/** What is known of the watchdog at one moment. */
export interface WatchdogStatus {
  /** Its process; absent while another one is being started. */
  readonly pid?: number;
  /** Why another one cannot be started. */
  readonly error?: string;
}

/** How the lead can be moved by HTTP. */
export interface Control {
  /** What those who may must send. */
  readonly token: string;
  /** Hands the lead on; rejects with {@linkcode HandoffError} if `to` cannot be next. */
  resign(options: { to?: Candidate }): Promise<void>;
  /** Told what was asked for. */
  onRequest(request: Readonly<Record<string, string | undefined>>): void;
}

/** What the answers are made of. It is asked anew for every request. */
export interface NodeSnapshot {
  /** This node's id. */
  readonly id: string;
  /** Where others reach this node. */
  readonly url: string;
  /** The program's version. */
  readonly version: string;
  /** What the election knows at this moment. */
  readonly status: ElectionStatus;
  /** The command that runs while this node leads, if there is one. */
  readonly command?: CommandStatus;
  /** The node's watchdog, if it has one. */
  readonly watchdog?: WatchdogStatus;
  /** The node's log, if it is known how it is doing. */
  readonly log?: LogStatus;
  /** The terms that it has seen. */
  readonly history: Pick<History, "terms" | "changes" | "leaderlessMs">;
  /** Absent if the lead cannot be moved by HTTP. */
  readonly control?: Control;
}

/** Who leads, in one line for a person. */
export function roleText(state: RoleState, ownUrl: string): string {
  if (state.role === "leader") return "I am the leader";
  return `I am a follower and ${
    state.leader ? `the leader is ${whereIs(state.leader, ownUrl)}` : "there is no leader"
  }`;
}

function whereIs({ id, url }: Leader, ownUrl: string): string {
  if (!url) return id;
  const { hostname, port, protocol } = new URL(url);
  if (hostname !== new URL(ownUrl).hostname) return `at ${url}`;
  return `on port ${port || (protocol === "https:" ? 443 : 80)}`;
}

/** The body of `/status`; its first fields are those of the leader-elector sidecar. */
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
  const members = queue.map(({ id, url, token, since, priority }) => ({
    id,
    url: url ?? null,
    token: Number(token),
    role: token === state.leader?.token ? "leader" : "candidate",
    since: since?.toISOString() ?? null,
    priority: priority ?? null,
  }));
  return { members, queue_age_ms: queueAgeMs === undefined ? null : Math.round(queueAgeMs) };
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

/** How long a log may wait for its reader before that is worth a line. */
const LOG_STUCK_MS = 1000;

/** Whether the node takes part and knows a leader, with a line for each thing that it needs, or that is wrong. */
export function readiness(
  { status: { state, inQueue, queueAgeMs, etcdError }, log, watchdog }: NodeSnapshot,
): { ready: boolean; lines: string[] } {
  const inTouch = state.role === "leader" || state.role === "follower";
  const answered = queueAgeMs === undefined ? "has not answered yet" : `answered ${Math.round(queueAgeMs)} ms ago`;
  const age = etcdError === undefined ? answered : `${answered}: ${etcdError}`;
  const checks: [boolean, string][] = [
    [inTouch, `etcd ${age}`],
    [inQueue, inQueue ? "takes part in the election" : "does not take part in the election"],
    [state.leader !== undefined, state.leader ? `the leader is ${state.leader.id}` : "there is no leader"],
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
    lines.push(`[!] the log has not been written for ${seconds} s, ${log.dropped} lines were dropped so far`);
  }
  if (watchdog?.error !== undefined) lines.push(`[!] there is no watchdog: ${watchdog.error}`);
  return lines;
}

/** One who stands in an election: a key under its prefix, in the order of the create revisions. */
export interface Candidate {
  /** The candidate's key in etcd. */
  readonly key: string;
  /** The key's create revision: the place in the queue, and the fencing token once it leads. */
  readonly token: bigint;
  /** The name that the candidate gave itself, or what can be shown of a foreign value. */
  readonly id: string;
  /** Where it answers HTTP, if it said so. */
  readonly url?: string;
  /** When it queued, by its own clock, if it said so. */
  readonly since?: Date;
  /** Its priority at a handoff; absent for those who know nothing of it, such as etcdctl. */
  readonly priority?: number;
  /** Why it is about to leave the queue, if it said so. */
  readonly leaving?: LeaveReason;
  /** Who handed the lead on to it, and why, if that one said so. */
  readonly after?: { readonly token: bigint; readonly left: LeaveReason };
}

/** Why a leader leaves the queue: on its own, for one that was named, or because its watchdog saw it die. */
export type LeaveReason = "resigned" | "switchover" | "crashed";

/** Who a candidate is, as it writes it into its key. */
export interface Self {
  readonly id: string;
  readonly url?: string;
  readonly priority?: number;
}

/** What happened to one key under the prefix. */
export type QueueChange =
  | { readonly type: "put"; readonly candidate: Candidate }
  | { readonly type: "delete"; readonly key: string };

/** The candidates, the leader first. */
export type Queue = readonly Candidate[];

/** Puts candidates into the order in which they lead. */
export function sortQueue(candidates: Iterable<Candidate>): Queue {
  return [...candidates].sort((a, b) => a.token < b.token ? -1 : a.token > b.token ? 1 : 0);
}

/** The queue after `changes`, which come in the order of their revisions. */
export function applyChanges(queue: Queue, changes: readonly QueueChange[]): Queue {
  let next = [...queue];
  for (const change of changes) {
    // Who is new stands at the end, as a rule: no need to look for the place among a thousand.
    if (change.type === "put" && change.candidate.token > (next.at(-1)?.token ?? 0n)) next.push(change.candidate);
    else if (change.type === "put") next = replaced(next, change.candidate);
    else {
      const index = next.findIndex(({ key }) => key === change.key);
      if (index >= 0) next.splice(index, 1);
    }
  }
  return next;
}

/** Whether a key with this token stands in the queue, which is in the order of the tokens. */
export function isQueued(queue: Queue, key: string, token: bigint): boolean {
  let [from, to] = [0, queue.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if (queue[middle]!.token < token) from = middle + 1;
    else to = middle;
  }
  // Keys that were made in one transaction share a token.
  while (queue[from]?.token === token && queue[from]!.key !== key) from++;
  return queue[from]?.token === token;
}

function replaced(queue: Queue, candidate: Candidate): Candidate[] {
  const before = queue.find(({ key }) => key === candidate.key);
  // One that says why it leaves does not say again since when it was there.
  const since = candidate.since ?? (before?.token === candidate.token ? before.since : undefined);
  return [...sortQueue([...queue.filter((one) => one !== before), { ...candidate, since }])];
}

/** To whom a leader gives the lead, and who stands between the two. */
export interface Handoff {
  readonly to: Candidate;
  readonly passed: Queue;
}

/** As many as surely fit into one transaction of etcd. */
const MAX_PASSED = 100;

/**
 * Whom the lead goes to when the one with `token` leaves: the candidate with the token `to`, or else that of
 * the highest priority, the oldest of equals. Those who know nothing of priorities are never passed:
 * their key is theirs.
 */
export function planHandoff(queue: Queue, token: bigint, to?: bigint): Handoff | undefined {
  const waiting = queue.filter((candidate) => candidate.token > token).slice(0, MAX_PASSED);
  const foreign = waiting.findIndex(({ priority }) => priority === undefined);
  const willing = foreign < 0 ? waiting : waiting.slice(0, foreign);
  const chosen = to === undefined
    ? willing.reduce<Candidate | undefined>(
      (best, next) => best && best.priority! >= next.priority! ? best : next,
      undefined,
    )
    : willing.find((candidate) => candidate.token === to);
  return chosen && { to: chosen, passed: willing.slice(0, willing.indexOf(chosen)) };
}

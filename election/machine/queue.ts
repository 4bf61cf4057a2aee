/** A candidate: one key under the election's prefix, ordered by create revision. */
export interface Candidate {
  /** The candidate's key in etcd. */
  readonly key: string;
  /** The key's create revision: its position in the queue, and its fencing token as leader. */
  readonly token: bigint;
  /** The candidate's name; for a candidate of another program, its sanitized value. */
  readonly id: string;
  /** Its HTTP URL, if it published one. */
  readonly url?: string;
  /** What else it published about itself. */
  readonly meta?: Readonly<Record<string, string>>;
  /** When it joined the queue, by its own clock, if it published that. */
  readonly since?: Date;
  /** Its priority at a handoff; absent for candidates of other programs, such as etcdctl. */
  readonly priority?: number;
  /** True for a key without a lease: it never expires, and nobody leads by it. */
  readonly leaseless?: true;
  /** Why it is about to leave the queue, if it published that. */
  readonly leaving?: LeaveReason;
  /** The token of the leader that handed over to it, and why that one left, if it published that. */
  readonly after?: { readonly token: bigint; readonly left: LeaveReason };
}

/** Why a leader leaves the queue: it resigned, it handed over to a given candidate, or its process died. */
export type LeaveReason = "resigned" | "switchover" | "crashed";

/** A candidate's own description, as it writes it to its key. */
export interface Self {
  readonly id: string;
  readonly url?: string;
  readonly priority?: number;
  readonly meta?: Readonly<Record<string, string>>;
}

/** A change of one key under the prefix. */
export type QueueChange =
  | { readonly type: "put"; readonly candidate: Candidate }
  | { readonly type: "delete"; readonly key: string };

/** The candidates, the leader first. */
export type Queue = readonly Candidate[];

/** Sorts candidates by create revision, the order in which they become leader. */
export function sortQueue(candidates: Iterable<Candidate>): Queue {
  return [...candidates].sort((a, b) => Number(a.token - b.token));
}

/** The queue after `changes`, which are ordered by revision. */
export function applyChanges(queue: Queue, changes: readonly QueueChange[]): Queue {
  return changes.length > MANY ? applyMany(queue, changes) : applyFew(queue, changes);
}

/** The number of changes from which it is worth while to index the queue. */
const MANY = 16;

function applyFew(queue: Queue, changes: readonly QueueChange[]): Queue {
  let next = [...queue];
  for (const change of changes) {
    // A new candidate is usually the last: no need to search a long queue.
    if (change.type === "put" && change.candidate.token > (next.at(-1)?.token ?? 0n)) next.push(change.candidate);
    else if (change.type === "put") next = replaced(next, change.candidate);
    else {
      const index = next.findIndex(({ key }) => key === change.key);
      if (index >= 0) next.splice(index, 1);
    }
  }
  return next;
}

function applyMany(queue: Queue, changes: readonly QueueChange[]): Queue {
  const byKey = new Map(queue.map((candidate) => [candidate.key, candidate]));
  for (const change of changes) {
    if (change.type === "put") {
      byKey.set(change.candidate.key, merged(byKey.get(change.candidate.key), change.candidate));
    } else byKey.delete(change.key);
  }
  return sortQueue(byKey.values());
}

/** Whether a key with this token is in the queue; a binary search, as it is ordered by token. */
export function isQueued(queue: Queue, key: string, token: bigint): boolean {
  let [from, to] = [0, queue.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if (queue[middle]!.token < token) from = middle + 1;
    else to = middle;
  }
  // A candidate creates its key alone: no other key has this token, unless etcd has lost data.
  const found = queue[from];
  return found?.token === token && found.key === key;
}

function replaced(queue: Queue, candidate: Candidate): Candidate[] {
  const before = queue.find(({ key }) => key === candidate.key);
  return [...sortQueue([...queue.filter((one) => one !== before), merged(before, candidate)])];
}

/** A candidate after its value has changed. */
function merged(before: Candidate | undefined, candidate: Candidate): Candidate {
  // A value with `leaving` omits `since`.
  const since = candidate.since ?? (before?.token === candidate.token ? before.since : undefined);
  return { ...candidate, since };
}

/** The next leader, and the candidates before it, which are skipped. */
export interface Handoff {
  readonly to: Candidate;
  readonly passed: Queue;
}

/** Low enough that the handoff fits into one etcd transaction (128 operations by default). */
const MAX_PASSED = 100;

/**
 * Chooses the next leader when the one with `token` leaves: the candidate with the token `to`, or else the one with the
 * highest priority, among equals the first in the queue. Candidates of other programs have no priority and are never
 * skipped: leader-node must not delete their keys.
 */
export function planHandoff(queue: Queue, token: bigint, to?: bigint): Handoff | undefined {
  const waiting = queue.filter((candidate) => candidate.token > token).slice(0, MAX_PASSED);
  const otherProgram = waiting.findIndex(({ priority }) => priority === undefined);
  const eligible = otherProgram < 0 ? waiting : waiting.slice(0, otherProgram);
  const chosen = to === undefined
    ? eligible.reduce<Candidate | undefined>(
      (best, next) => best && best.priority! >= next.priority! ? best : next,
      undefined,
    )
    : eligible.find((candidate) => candidate.token === to);
  return chosen && { to: chosen, passed: eligible.slice(0, eligible.indexOf(chosen)) };
}

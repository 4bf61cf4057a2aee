import type { Queue } from "./machine/queue.ts";
import type { RoleState } from "./state.ts";

/** The lease of a candidate at one moment. */
export interface LeaseStatus {
  /** The lease's id in lower-case hex, as etcdctl writes it. */
  readonly id: string;
  /** The TTL that etcd granted, in milliseconds. */
  readonly ttlMs: number;
  /** Milliseconds for which the lease surely holds, by the last renewal that was answered. */
  readonly expiresInMs: number;
}

/** What an election knows at one moment. */
export interface ElectionStatus {
  /** The role, computed against the clock. */
  readonly state: RoleState;
  /** Everybody in the queue as last seen, the leader first. */
  readonly queue: Queue;
  /** This candidate's lease, if it has one. */
  readonly lease?: LeaseStatus;
  /** Whether this candidate stands in the queue; true for an observer that sees it. */
  readonly inQueue: boolean;
  /** What keeps etcd from answering at this moment, for a person. */
  readonly etcdError?: string;
  /** Milliseconds since etcd last confirmed the queue; absent before the first time. */
  readonly queueAgeMs?: number;
}

/** An election as one who only looks sees it. */
export interface ElectionView extends AsyncIterable<RoleState>, AsyncDisposable {
  /** The role at this moment, computed against the clock. */
  readonly state: RoleState;
  /** All that is known at this moment. */
  readonly status: ElectionStatus;
  /** Stops looking and closes the connections; iterators end after the state `stopped`. */
  stop(): Promise<void>;
}

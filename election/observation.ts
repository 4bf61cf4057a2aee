import type { Queue } from "./machine/queue.ts";
import type { RoleState } from "./state.ts";

/** The lease of a candidate. */
export interface LeaseStatus {
  /** The lease's id in lower-case hex, as in etcdctl. */
  readonly id: string;
  /** The TTL that counts, in milliseconds: what etcd granted, but no more than was asked for. */
  readonly ttlMs: number;
  /** Milliseconds for which the lease is guaranteed, computed from the last successful renewal. */
  readonly expiresInMs: number;
}

/** A snapshot of what a node knows about its election. */
export interface ElectionStatus {
  /** The role, computed against the clock. */
  readonly state: RoleState;
  /** The last known queue, leader first. */
  readonly queue: Queue;
  /** This candidate's lease, if it has one. */
  readonly lease?: LeaseStatus;
  /** Whether this candidate is in the queue; for an observer, whether it has seen the queue. */
  readonly inQueue: boolean;
  /** Why calls to etcd fail at the moment, as a message for people; absent if they succeed. */
  readonly etcdError?: string;
  /** Milliseconds since etcd last confirmed the queue; absent before the first confirmation. */
  readonly queueAgeMs?: number;
}

/** A read-only view of an election. */
export interface ElectionView extends AsyncIterable<RoleState>, AsyncDisposable {
  /** The current role, computed against the clock. */
  readonly state: RoleState;
  /** The current status. */
  readonly status: ElectionStatus;
  /** Stops observing and closes the connections; iterators end after the state `stopped`. */
  stop(): Promise<void>;
}

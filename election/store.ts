import { missingPermission, printable } from "./errors.ts";
import type { Handoff, LeaveReason, Self } from "./machine/queue.ts";
import type { GuardAnswer, StoreFailure, WatchNotice } from "./machine/types.ts";

const MAX_MESSAGE_LENGTH = 500;

/** What a {@linkcode StoreError} is beside its message. */
type StoreErrorOptions = Partial<Pick<StoreError, "closed" | "hopeless">>;

/** A failed call to the store, with a message for people. */
export class StoreError extends Error {
  override readonly name = "StoreError";
  /** Whether an established connection was closed by the other side, or in between. */
  readonly closed: boolean;
  /** Whether no later attempt of this process can succeed: what it lacks, it must be started with. */
  readonly hopeless: boolean;
  constructor(readonly failure: StoreFailure, message: string, options?: ErrorOptions & StoreErrorOptions) {
    // etcd's own words may be part of it.
    super(printable(message, MAX_MESSAGE_LENGTH), options);
    this.closed = options?.closed ?? false;
    this.hopeless = options?.hopeless ?? missingPermission(message) !== undefined;
  }
}

/** What a watch on the election's prefix reports, in order; `lost` carries the cause. */
export type StoreNotice =
  | Exclude<WatchNotice, { readonly type: "lost" }>
  | { readonly type: "lost"; readonly error: StoreError };

/** Ends a watch; no more notices follow. `"doubted"`: the watch may be wrong, so the next one must not share it. */
export type CloseWatch = (because?: "doubted") => void;

/** Options of {@linkcode Store.withdraw}. */
export interface WithdrawOptions {
  /** Why the leader leaves; absent if the candidate does not lead. */
  readonly leaving?: LeaveReason;
  /** The next leader and the candidates skipped, if the next leader is a leader-node candidate. */
  readonly handoff?: Handoff;
}

/** The election's interface to etcd. Every call ends within its `timeoutMs` and rejects with {@linkcode StoreError}. */
export interface Store {
  /** Grants a lease. The returned TTL may be longer: etcd raises short ones. */
  grant(ttlMs: number, timeoutMs: number): Promise<{ leaseId: bigint; ttlMs: number }>;
  /** Renews a lease once. A returned TTL of 0 means that the lease no longer exists. */
  renew(leaseId: bigint, timeoutMs: number): Promise<{ leaseId: bigint; ttlMs: number }>;
  /**
   * Joins the queue: creates the key unless it exists. Safe to repeat if a call's outcome is unknown. `first` is the
   * first key of the queue, read in the same transaction.
   */
  enqueue(key: string, leaseId: bigint, timeoutMs: number): Promise<{ token: bigint; first: string }>;
  /** Linearizable read: whether the key still has this create revision, and which key is first. */
  guard(key: string, token: bigint, timeoutMs: number): Promise<GuardAnswer>;
  /**
   * Deletes the key if it still has this create revision. With a handoff, the same transaction deletes the keys of the
   * skipped candidates, and succeeds only if the queue is still as planned. A leader also records why it leaves, in the
   * next leader's key: that one may lead at once.
   */
  withdraw(key: string, token: bigint, timeoutMs: number, options?: WithdrawOptions): Promise<void>;
  /** Describes the candidate anew: in its key, if it has one that is still there, and in those that follow. */
  update(self: Self, own: { key: string; token: bigint } | undefined, timeoutMs: number): Promise<void>;
  /** Writes the key again as it is: fails if etcd takes no writes now. */
  touch(key: string, token: bigint, timeoutMs: number): Promise<void>;
  /** Revokes a lease; no error if it no longer exists. */
  revoke(leaseId: bigint, timeoutMs: number): Promise<void>;
  /** Lists, then watches the prefix until `lost` is reported or the returned function is called. */
  watch(notify: (notice: StoreNotice) => void): CloseWatch;
}

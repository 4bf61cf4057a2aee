import type { Instant } from "./clock.ts";
import type { Handoff, LeaveReason, Queue } from "./queue.ts";

/** Why a call to the store failed, as far as the election must know. */
export type StoreFailure =
  /** No answer came: the call may or may not have been carried out. */
  | "unreachable"
  /** etcd answered that the lease does not exist (any more). */
  | "lease-gone"
  /** The queue is not what the caller took it for; nothing was done. */
  | "changed"
  /** etcd answered something else: wrong password, no permission, no space. */
  | "refused";

/** A failed call to the store, with a message for a person. */
export class StoreError extends Error {
  override readonly name = "StoreError";
  constructor(readonly failure: StoreFailure, message: string, options?: ErrorOptions) {
    super(message, options);
  }
}

/** What a watch on the election's prefix tells, in order. */
export type WatchNotice =
  /** The whole queue, read at `revision` by a request sent at `sentAt`. */
  | { readonly type: "listed"; readonly queue: Queue; readonly revision: bigint; readonly sentAt: Instant }
  /** The queue has changed, and is so at `revision`. Each leader is told, however short its time was. */
  | { readonly type: "changed"; readonly queue: Queue; readonly revision: bigint }
  /** The watch was open, and all told that happened, when a probe was sent at `sentAt`. */
  | { readonly type: "alive"; readonly sentAt: Instant }
  /** Nothing more comes: list and watch again. */
  | { readonly type: "lost"; readonly error: StoreError };

/** Ends a watch without a word. */
export type CloseWatch = (because?: "doubted") => void;

/** How a key is withdrawn. */
export interface WithdrawOptions {
  /** Why, if it is a leader's. */
  readonly leaving?: LeaveReason;
  /** To whom the lead goes, if it is to be one of ours. */
  readonly handoff?: Handoff;
}

/** What the election needs of etcd. Every call ends within its `timeoutMs` and rejects with {@linkcode StoreError}. */
export interface Store {
  /** Grants a lease. The answer's TTL is the one that counts: etcd raises small ones. */
  grant(ttlMs: number, timeoutMs: number): Promise<{ leaseId: bigint; ttlMs: number }>;
  /** Renews a lease once. A TTL of 0 in the answer says that the lease is gone. */
  renew(leaseId: bigint, timeoutMs: number): Promise<{ leaseId: bigint; ttlMs: number }>;
  /** Queues: creates the key if it is not there. May be repeated after an ambiguous failure. */
  enqueue(key: string, leaseId: bigint, timeoutMs: number): Promise<{ token: bigint }>;
  /** Asks, linearizably, whether the key still has this create revision and which key is first. */
  guard(key: string, token: bigint, timeoutMs: number): Promise<{ held: boolean; first?: string }>;
  /**
   * Deletes the key if it still has this create revision. With a handoff, those who are passed lose their keys in the
   * same moment, and that happens only if the queue still is as planned. A leader says why it leaves, for those who
   * keep a history; nothing depends on it.
   */
  withdraw(key: string, token: bigint, timeoutMs: number, options?: WithdrawOptions): Promise<void>;
  /** Ends a lease; no error if it is gone already. */
  revoke(leaseId: bigint, timeoutMs: number): Promise<void>;
  /**
   * Lists, then watches the prefix until `lost` or until the returned function is called: with `"doubted"` by one who
   * has reason to think that the watch is wrong, and wants the next one to owe nothing to it.
   */
  watch(notify: (notice: WatchNotice) => void): CloseWatch;
}

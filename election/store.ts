import type { Handoff, LeaveReason } from "./machine/queue.ts";
import type { StoreFailure, WatchNotice } from "./machine/types.ts";

/** A failed call to the store, with a message for a person. */
export class StoreError extends Error {
  override readonly name = "StoreError";
  constructor(readonly failure: StoreFailure, message: string, options?: ErrorOptions) {
    super(message, options);
  }
}

/** What a watch on the election's prefix reports, in order. When it is lost, it says why. */
export type StoreNotice =
  | Exclude<WatchNotice, { readonly type: "lost" }>
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
  watch(notify: (notice: StoreNotice) => void): CloseWatch;
}

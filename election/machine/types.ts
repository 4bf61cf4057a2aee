import type { TermEndReason } from "../errors.ts";
import type { Instant } from "./clock.ts";
import type { Handoff, LeaveReason, Queue, Self } from "./queue.ts";

/** What is fixed for one node in one election. */
export interface MachineSettings {
  /** False for one who only observes. */
  readonly candidate: boolean;
  /** Who this node is. */
  readonly self: Self;
  /** The election's prefix in etcd, with its last `/`. */
  readonly prefix: string;
  /** The TTL to ask for. */
  readonly ttlMs: number;
  /** Time between a term's signal and the end of its lease; a tenth of the granted TTL if not set. */
  readonly stopBudgetMs?: number;
}

/** A moment to come: `afterMs` after `since`. */
export interface Due {
  readonly since: Instant;
  readonly afterMs: number;
}

/** A repeated call to etcd: under way, or due some time. */
export type Call = "sent" | Due;

/** The lease of one campaign. */
export interface Lease {
  readonly id: bigint;
  readonly ttlMs: number;
  /** Just before the last successful grant or renewal was sent. */
  readonly sentAt: Instant;
}

/** How far the candidate has come. One campaign is one lease and one key; neither is used again. */
export type Campaign =
  | { readonly stage: "idle"; readonly next: Due; readonly failures: number }
  | { readonly stage: "granting"; readonly failures: number }
  | { readonly stage: "enqueueing"; readonly lease: Lease; readonly call: Call }
  | {
    readonly stage: "queued";
    readonly lease: Lease;
    readonly token: bigint;
    /** When it was there. */
    readonly since: Instant;
    readonly renewal: Call;
    readonly guard: Call;
    /** Just before the last guard was sent that found our key there, and first. */
    readonly guardedAt?: Instant;
    /** When the first of the guards was sent that have not been answered. */
    readonly askedSince?: Instant;
  }
  /** Leaving: the key stays until the work of the term has ended, but no longer than a TTL after `since`. */
  | {
    readonly stage: "draining";
    readonly lease: Lease;
    readonly token: bigint;
    readonly since: Instant;
    readonly drained: boolean;
    /** Why, if it led. */
    readonly leaving?: LeaveReason;
    /** The token of the one who is to lead next, if somebody was named. */
    readonly to?: bigint;
  }
  | {
    readonly stage: "withdrawing";
    readonly lease: Lease;
    readonly token?: bigint;
    readonly leaving?: LeaveReason;
    readonly to?: bigint;
    readonly call: Call;
    readonly attempts: number;
  }
  | { readonly stage: "off" };

/** The queue as the watch tells it. */
export interface View {
  readonly queue: Queue;
  /** The highest revision that the queue is known to include. */
  readonly revision: bigint;
  /** The latest moment at which the queue was surely so. */
  readonly contact: Instant;
  /** The watch that told it. */
  readonly generation: number;
  /** Wall time at which the first of the queue was seen to become the first. */
  readonly firstSince?: number;
}

/** The watch on the queue. Each watch has a generation of its own. */
export type Watch =
  | { readonly open: false; readonly next: Due; readonly failures: number; readonly generation: number }
  | { readonly open: true; readonly failures: number; readonly generation: number };

/** All that one node knows and wants. */
export interface Core {
  readonly settings: MachineSettings;
  readonly stopping: boolean;
  readonly watch: Watch;
  readonly view?: View;
  readonly campaign: Campaign;
  /** The term in which this node leads. One object a term. */
  readonly term?: { readonly token: bigint; readonly since: Instant };
  /** Why the last term ended. */
  readonly ended?: TermEndReason;
}

/** Why a call to etcd failed, as far as the decisions depend on it. */
export type StoreFailure =
  /** No answer came: the call may or may not have been carried out. */
  | "unreachable"
  /** etcd answered that the lease does not exist (any more). */
  | "lease-gone"
  /** The queue is not what the caller took it for; nothing was done. */
  | "changed"
  /** etcd answered something else: wrong password, no permission, no space. */
  | "refused";

/** What the watch on the election's prefix reports, in order. */
export type WatchNotice =
  /** The whole queue, read at `revision` by a request sent at `sentAt`. */
  | { readonly type: "listed"; readonly queue: Queue; readonly revision: bigint; readonly sentAt: Instant }
  /** The queue has changed, and is so at `revision`. Each leader is told, however short its time was. */
  | { readonly type: "changed"; readonly queue: Queue; readonly revision: bigint }
  /** The watch was open, and all told that happened, when a probe was sent at `sentAt`. */
  | { readonly type: "alive"; readonly sentAt: Instant }
  /** The watch has ended: list and watch again. */
  | { readonly type: "lost" };

/** What happened. */
export type MachineEvent =
  | { readonly type: "tick" }
  | { readonly type: "resign"; readonly to?: bigint }
  | { readonly type: "stop" }
  /** Nobody works any more for the term that ended. */
  | { readonly type: "drained"; readonly leaseId: bigint }
  | { readonly type: "watch"; readonly generation: number; readonly notice: WatchNotice }
  | { readonly type: "granted"; readonly sentAt: Instant; readonly leaseId: bigint; readonly ttlMs: number }
  | { readonly type: "grant-failed" }
  | { readonly type: "enqueued"; readonly leaseId: bigint; readonly token: bigint }
  | { readonly type: "enqueue-failed"; readonly leaseId: bigint; readonly failure: StoreFailure }
  | {
    readonly type: "renewed";
    readonly leaseId: bigint;
    readonly sentAt: Instant;
    readonly answer: { readonly leaseId: bigint; readonly ttlMs: number };
  }
  | { readonly type: "renew-failed"; readonly leaseId: bigint; readonly failure: StoreFailure }
  | {
    readonly type: "guarded";
    readonly leaseId: bigint;
    readonly sentAt: Instant;
    readonly answer: { readonly held: boolean; readonly first?: string };
  }
  | { readonly type: "guard-failed"; readonly leaseId: bigint }
  | { readonly type: "withdrawn"; readonly leaseId: bigint }
  | { readonly type: "withdraw-failed"; readonly leaseId: bigint };

/** What is to be done. Each answer comes back as an event, however late. */
export type Action =
  | { readonly type: "watch"; readonly generation: number }
  | { readonly type: "grant"; readonly ttlMs: number; readonly timeoutMs: number }
  | { readonly type: "enqueue"; readonly leaseId: bigint; readonly key: string; readonly timeoutMs: number }
  | { readonly type: "renew"; readonly leaseId: bigint; readonly timeoutMs: number }
  | {
    readonly type: "guard";
    readonly leaseId: bigint;
    readonly key: string;
    readonly token: bigint;
    readonly timeoutMs: number;
  }
  | { readonly type: "drain"; readonly leaseId: bigint }
  | {
    readonly type: "withdraw";
    readonly leaseId: bigint;
    readonly key: string;
    readonly token?: bigint;
    readonly leaving?: LeaveReason;
    readonly handoff?: Handoff;
    readonly timeoutMs: number;
  }
  | { readonly type: "revoke"; readonly leaseId: bigint; readonly timeoutMs: number };

/** A campaign in one stage. */
export type In<Stage extends Campaign["stage"]> = Campaign & { readonly stage: Stage };

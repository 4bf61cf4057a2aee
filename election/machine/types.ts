import type { TermEndReason } from "../errors.ts";
import type { Instant } from "./clock.ts";
import type { Candidate, Handoff, LeaveReason, Queue, Self } from "./queue.ts";

/** The settings of one node in one election. */
export interface MachineSettings {
  /** False for an observer. */
  readonly candidate: boolean;
  /** This node's description. */
  readonly self: Self;
  /** The election's prefix in etcd, including the trailing `/`. */
  readonly prefix: string;
  /** The TTL to request. */
  readonly ttlMs: number;
  /** See `stopBudgetMs` of `ElectionOptions`; by default a tenth of the granted TTL. */
  readonly stopBudgetMs?: number;
  /** See `drainMs` of `ElectionOptions`; by default 0. */
  readonly drainMs?: number;
}

/** A point in time: `afterMs` milliseconds after `since`. */
export interface Due {
  readonly since: Instant;
  readonly afterMs: number;
}

/** A repeated call to etcd: sent and not answered yet, or due at some time. */
export type Call = "sent" | Due;

/** The lease of one campaign. */
export interface Lease {
  readonly id: bigint;
  /** The TTL that counts: what etcd granted, but no more than was asked for. */
  readonly ttlMs: number;
  /** How long etcd keeps the key of a node that died. */
  readonly grantedMs: number;
  /** Just before the last successful grant or renewal was sent. */
  readonly sentAt: Instant;
}

/** The stage of a campaign. A campaign is one lease and one key; neither is reused. */
export type Campaign =
  | { readonly stage: "idle"; readonly next: Due; readonly failures: number }
  | { readonly stage: "granting"; readonly failures: number }
  | {
    readonly stage: "enqueueing";
    readonly lease: Lease;
    readonly call: Call;
    /** Just before the first attempt was sent: any attempt may be the one that created the key. */
    readonly since?: Instant;
  }
  | {
    readonly stage: "queued";
    readonly lease: Lease;
    readonly token: bigint;
    /** When etcd confirmed the key. */
    readonly since: Instant;
    readonly renewal: Call;
    readonly guard: Call;
    /** Just before the last guard was sent that found our key to be the first. */
    readonly guardedAt?: Instant;
    /** Just before the last guard was sent that found our key behind another one. */
    readonly heldAt?: Instant;
    /** When the first unanswered guard was sent since we are the first. */
    readonly guardPendingSince?: Instant;
  }
  /** The key stays until the work of the term has finished, but no longer than one TTL after `since`. */
  | {
    readonly stage: "draining";
    readonly lease: Lease;
    readonly token: bigint;
    readonly since: Instant;
    readonly leftAt: Instant;
    readonly drained: boolean;
    /** Present while the lease is still renewed, since the work may need longer than it holds. */
    readonly kept?: KeptLease;
    /** Whether the lease may have expired: no time is left for the work, which is only waited for. */
    readonly lapsed?: true;
    /** Why it leaves; absent if it did not lead. */
    readonly leaving?: LeaveReason;
    /** The token of the requested next leader, if any. */
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

/** How the lease of a term that ended is kept for its work, as long as that was allowed. */
export interface KeptLease {
  readonly renewal: Call;
  readonly guard: Call;
  /** Just before the last guard was sent that found our key to be the first. */
  readonly guardedAt: Instant;
  /** When etcd confirmed the key. */
  readonly queuedSince: Instant;
  readonly endedAt: Instant;
}

/** The queue according to the watch. */
export interface View {
  readonly queue: Queue;
  /** The highest revision that the queue is known to include. */
  readonly revision: bigint;
  /** The latest time at which etcd is known to have had this queue. */
  readonly contact: Instant;
  /** The generation of the watch that reported it. */
  readonly generation: number;
  /** The wall-clock time at which the first candidate was seen to become the first. */
  readonly firstSince?: number;
  /** Whether the first candidate was handed the leadership by the one that was the first before it. */
  readonly handedOver?: boolean;
  /** Whether more changes that etcd sent in the same message follow. */
  readonly more?: boolean;
}

/** The watch on the queue. Each new watch has the next generation. */
export type Watch =
  | { readonly open: false; readonly next: Due; readonly failures: number; readonly generation: number }
  | { readonly open: true; readonly failures: number; readonly generation: number };

/** Another candidate with our id. */
export interface Namesake {
  readonly candidate: Candidate;
  /** When etcd is first known to have had its key, on the monotonic clock. */
  readonly since: number;
  /** Whether it is another node; false while it may be the key that a crashed predecessor of ours left. */
  readonly lives: boolean;
}

/** The complete state of one node's election. */
export interface Core {
  readonly settings: MachineSettings;
  readonly stopping: boolean;
  readonly watch: Watch;
  readonly view?: View;
  readonly campaign: Campaign;
  readonly namesake?: Namesake;
  /** The term in which this node leads. One object per term. */
  readonly term?: { readonly token: bigint; readonly since: Instant };
  /** Why the last term ended. */
  readonly ended?: TermEndReason;
}

/** Why a call to etcd failed, as far as decisions depend on it. */
export type StoreFailure =
  /** No answer: the call may or may not have been carried out. */
  | "unreachable"
  /** etcd answered that the lease does not exist. */
  | "lease-gone"
  /** The queue differs from what the caller expected; nothing was done. */
  | "changed"
  /** etcd returned another error, such as wrong password, permission denied or no space. */
  | "refused";

/** What the watch on the election's prefix reports, in order. */
export type WatchNotice =
  /** The whole queue, read at `revision` by a request sent at `sentAt`. */
  | { readonly type: "listed"; readonly queue: Queue; readonly revision: bigint; readonly sentAt: Instant }
  /** The queue at `revision`, after a change. No leader is skipped, however short its leadership was. */
  | {
    readonly type: "changed";
    readonly queue: Queue;
    readonly revision: bigint;
    /** Whether more changes that etcd sent in the same message follow. */
    readonly more?: boolean;
  }
  /** A probe sent at `sentAt` confirms that the watch was open and has reported everything up to then. */
  | { readonly type: "alive"; readonly sentAt: Instant }
  /** The watch has ended: list and watch again. */
  | { readonly type: "lost" };

/** The answer to a guard. */
export interface GuardAnswer {
  /** Whether the key is there with its create revision. */
  readonly held: boolean;
  /** The first key of the queue, if ours is there. */
  readonly first?: string;
  /** etcd's revision at that time. */
  readonly revision: bigint;
}

/** The input of a step. */
export type MachineEvent =
  | { readonly type: "tick" }
  | { readonly type: "resign"; readonly to?: bigint }
  | { readonly type: "stop" }
  /** The candidate describes itself anew. */
  | { readonly type: "described"; readonly self: Self }
  /** The work of the ended term has finished. */
  | { readonly type: "drained"; readonly leaseId: bigint }
  | { readonly type: "watch"; readonly generation: number; readonly notice: WatchNotice }
  | { readonly type: "granted"; readonly sentAt: Instant; readonly leaseId: bigint; readonly ttlMs: number }
  | { readonly type: "grant-failed" }
  /** `first` is the first key of the queue, read in the transaction that created ours, or found it. */
  | { readonly type: "enqueued"; readonly leaseId: bigint; readonly token: bigint; readonly first: string }
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
    /** That of the action. */
    readonly asFirst: boolean;
    readonly sentAt: Instant;
    readonly answer: GuardAnswer;
  }
  | { readonly type: "guard-failed"; readonly leaseId: bigint }
  | { readonly type: "withdrawn"; readonly leaseId: bigint }
  | { readonly type: "withdraw-failed"; readonly leaseId: bigint };

/** An action to carry out. Each result comes back as an event, however late. */
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
    /** Whether our key should be the first; else it waits behind another one. */
    readonly asFirst: boolean;
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
  | { readonly type: "revoke"; readonly leaseId: bigint; readonly timeoutMs: number }
  /** etcd has lost or restored its data: its revision is lower than that of our key. No answer comes back. */
  | { readonly type: "report-data-loss"; readonly token: bigint; readonly revision: bigint };

/** A campaign in a given stage. */
export type In<Stage extends Campaign["stage"]> = Campaign & { readonly stage: Stage };

import type { Candidate, Queue } from "./machine/queue.ts";
import type { Term } from "./term.ts";

/** An event for logs and metrics. Role changes are not among them: iterate over the election for those. */
export type ElectionEvent =
  /** etcd granted a lease of `ttlMs`, which is longer than requested if that was below etcd's minimum. */
  | {
    readonly type: "lease-granted";
    readonly leaseId: bigint;
    readonly ttlMs: number;
    readonly requestedTtlMs: number;
  }
  /** The lease was renewed; etcd answered after `tookMs` milliseconds. */
  | { readonly type: "lease-renewed"; readonly tookMs: number }
  /** A renewal failed; it is retried while the lease may be valid. */
  | { readonly type: "renewal-failed"; readonly message: string }
  /** The candidate has joined the queue. */
  | { readonly type: "queued"; readonly key: string; readonly token: bigint }
  /** A term has started, or is valid for longer than before: see {@linkcode Term.validFor}. */
  | { readonly type: "term-extended"; readonly term: Term }
  /**
   * The work of a term that ended may go on for longer than before, since its lease was renewed, or must end now, since
   * the lease was lost: see {@linkcode Term.stopWithin}.
   */
  | { readonly type: "stop-changed"; readonly term: Term }
  /**
   * The last loop whose body was at work in this term has been left, by `break`, `return` or an error, and this node still
   * leads: it does nothing until it resigns or stops. Who only waited for leadership uses {@linkcode Election.ready};
   * {@linkcode whileLeader} gives leadership up in such a case.
   */
  | { readonly type: "work-ended"; readonly term: Term }
  /**
   * The work of a term that ended still runs, though its lease may have expired: another node may lead beside it. Reported
   * once a term, a stop budget after {@linkcode Term.signal} was aborted at the earliest.
   */
  | { readonly type: "overrun"; readonly term: Term }
  /**
   * What the body of {@linkcode whileLeader} or a callback of {@linkcode lead} threw after its term had ended. It is
   * usually what an aborted call throws, so the candidate goes on and queues again.
   */
  | { readonly type: "work-failed"; readonly term: Term; readonly error: unknown }
  /**
   * etcd lost its data or was restored from a backup: its revision is lower than `token`, the create revision of this
   * candidate's key. The candidate joins anew. Fencing tokens may have fallen.
   */
  | { readonly type: "etcd-data-lost"; readonly token: bigint; readonly revision: bigint }
  /**
   * Another candidate has this candidate's id. If its URL is the same too, it may be the key of a crashed predecessor:
   * then it is reported only once it has lived longer than that key can.
   */
  | { readonly type: "id-taken"; readonly candidate: Candidate }
  /** A candidate has joined, left or updated its value. */
  | { readonly type: "queue-changed"; readonly queue: Queue }
  /**
   * etcd does not answer, or rejects calls. Until it answers again, reported once for each cause, and at most every 10
   * seconds. The election keeps retrying.
   */
  | { readonly type: "etcd-failing"; readonly message: string }
  /** etcd answers again. */
  | { readonly type: "etcd-answers" };

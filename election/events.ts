import type { Queue } from "./machine/queue.ts";
import type { Term } from "./term.ts";

/** Something that happened on the way, worth a line in a log. The roles come by the iterator instead. */
export type ElectionEvent =
  /** etcd gave a lease; `ttlMs` is what counts, and more than asked for if that was below etcd's minimum. */
  | {
    readonly type: "lease-granted";
    readonly leaseId: bigint;
    readonly ttlMs: number;
    readonly requestedTtlMs: number;
  }
  /** etcd answered a renewal of the lease after `tookMs` milliseconds. */
  | { readonly type: "lease-renewed"; readonly tookMs: number }
  /** A renewal failed; it is tried again while the lease may hold. */
  | { readonly type: "renewal-failed"; readonly message: string }
  /** The candidate stands in the queue. */
  | { readonly type: "queued"; readonly key: string; readonly token: bigint }
  /** A term has begun, or is valid for longer than before: see {@linkcode Term.validFor}. */
  | { readonly type: "term-extended"; readonly term: Term }
  /** Somebody came, went or moved up in the queue. */
  | { readonly type: "queue-changed"; readonly queue: Queue }
  /** etcd does not answer, or refuses; told once, until it answers again. The election goes on trying. */
  | { readonly type: "etcd-failing"; readonly message: string }
  /** etcd answers again. */
  | { readonly type: "etcd-answers" };

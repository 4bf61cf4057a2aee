import { TermEndedError, type TermEndReason } from "./errors.ts";

/**
 * A compare for etcd3's transaction builder.
 *
 * @example A write that etcd carries out only for the leader
 * ```ts
 * import { Etcd3 } from "etcd3";
 * import { Election } from "./mod.ts";
 *
 * const etcd = new Etcd3({ hosts: "http://127.0.0.1:2379" });
 * await using election = new Election({ name: "jobs" });
 * for await (const state of election) {
 *   if (state.role !== "leader") continue;
 *   const write = etcd.put("jobs-done").value("42");
 *   const { succeeded } = await etcd.if(...state.term.guard).then(write).commit();
 *   console.log(succeeded ? "written" : "refused: somebody else leads");
 *   break;
 * }
 * etcd.close();
 * ```
 */
export type TermGuard = readonly [key: string, column: "Create", comparator: "==", value: string];

/**
 * One time of leading. Work for the leader takes `signal` and stops when it fires; what cannot be
 * stopped, a write that is under way, carries `token` or `guard`, so that its receiver can refuse it.
 *
 * @example Work that stops with the term
 * ```ts
 * import { Election } from "./mod.ts";
 *
 * await using election = new Election({ name: "jobs" });
 * for await (const state of election) {
 *   if (state.role !== "leader") continue;
 *   const { term } = state;
 *   term.signal.addEventListener("abort", () => console.log("stop now:", term.signal.reason.message));
 *   term.assert(); // Throws if the term may be over: call it right before what only a leader may do.
 *   console.log(`leads for at least ${term.validFor()} ms more, with token ${term.token}`);
 *   break;
 * }
 * ```
 */
export interface Term {
  /**
   * The fencing token: the create revision of the leader's key in etcd. Every other leader after this
   * one has a greater token; a node that was in doubt and leads again on the same key has the same.
   */
  readonly token: bigint;
  /**
   * Fires when the work must stop, with a {@linkcode TermEndedError} as its reason, and early enough
   * that `stopBudgetMs` milliseconds are left before another node can lead.
   */
  readonly signal: AbortSignal;
  /** A compare that makes an etcd transaction succeed only while this term's key is there. */
  readonly guard: TermGuard;
  /** Milliseconds for which the lead is surely this node's, by the clock at this moment; 0 once the signal fired. */
  validFor(): number;
  /**
   * Milliseconds for which the lease surely holds, also after the signal has fired: the time in which all
   * work must have stopped. 0 if the key is lost already.
   */
  stopWithin(): number;
  /**
   * Checks before an act that only a leader may do.
   *
   * @throws {TermEndedError} If the term may be over.
   */
  assert(): void;
}

/** The term as its election keeps it. */
export class OwnTerm implements Term {
  readonly token: bigint;
  readonly guard: TermGuard;
  readonly #controller = new AbortController();
  readonly #validFor: () => number;
  #leftAtEnd = () => 0;

  constructor(key: string, token: bigint, validFor: () => number) {
    this.token = token;
    this.guard = [key, "Create", "==", String(token)];
    this.#validFor = validFor;
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  validFor(): number {
    return this.signal.aborted ? 0 : this.#validFor();
  }

  stopWithin(): number {
    return this.signal.aborted ? this.#leftAtEnd() : this.#validFor();
  }

  assert(): void {
    if (this.validFor() <= 0) throw this.signal.reason ?? new TermEndedError("expired", this.token);
  }

  end(reason: TermEndReason, left: () => number): void {
    this.#leftAtEnd = left;
    this.#controller.abort(new TermEndedError(reason, this.token));
  }
}

import { TermEndedError, type TermEndReason } from "./errors.ts";

/**
 * Arguments for the `if` of etcd3's transaction builder: the transaction succeeds only while the term's key exists.
 *
 * @example A write that etcd accepts only from the leader
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
 *   console.log(succeeded ? "written" : "refused: another node leads");
 *   break;
 * }
 * etcd.close();
 * ```
 */
export type TermGuard = readonly [key: string, column: "Create", comparator: "==", value: string];

/**
 * One period of leadership. The leader's work takes `signal` and stops when it is aborted. What cannot be stopped, such
 * as a write already sent, carries `token` or `guard`, so that the receiver can reject it. `JSON.stringify` writes
 * tokens as strings: in terms, states, statuses and events alike.
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
 *   term.assert(); // Throws if the term may be over: call it right before an action that only a leader may do.
 *   console.log(`leads for at least ${term.validFor()} ms more, with token ${term.token}`);
 *   break;
 * }
 * ```
 */
export interface Term {
  /**
   * The fencing token: the create revision of the leader's key in etcd. Every other leader after this one has a greater
   * token. A node that leads again with the same key has the same token.
   */
  readonly token: bigint;
  /**
   * Aborted when the work must stop, with a {@linkcode TermEndedError} as its reason. Unless the key was lost or the
   * process was suspended, `stopBudgetMs` milliseconds are left then before another node can lead.
   */
  readonly signal: AbortSignal;
  /** Makes an etcd transaction succeed only while this term's key exists. */
  readonly guard: TermGuard;
  /**
   * Milliseconds for which leadership is guaranteed from now on, the stop budget included: the signal is aborted when
   * `stopBudgetMs` are left. 0 from then on.
   */
  validFor(): number;
  /**
   * Milliseconds for which the lease is guaranteed, also after the signal was aborted: all work must stop within this
   * time. 0 if the key is already lost.
   */
  stopWithin(): number;
  /**
   * Checks that this node still leads; call it right before an action that only a leader may do.
   *
   * @throws {TermEndedError} If the term may be over.
   */
  assert(): void;
}

/** The implementation of {@linkcode Term}, ended by its election. */
export class OwnTerm implements Term {
  readonly token: bigint;
  readonly guard: TermGuard;
  readonly #controller = new AbortController();
  readonly #validFor: () => number;
  readonly #onSignalTaken: (term: OwnTerm) => void;
  #leftAtEnd = () => 0;

  /** `onSignalTaken` is called when `signal` is read: from then on, it has to fire in time. */
  constructor(key: string, token: bigint, validFor: () => number, onSignalTaken: (term: OwnTerm) => void = () => {}) {
    this.token = token;
    this.guard = [key, "Create", "==", String(token)];
    this.#validFor = validFor;
    this.#onSignalTaken = onSignalTaken;
  }

  get signal(): AbortSignal {
    this.#onSignalTaken(this);
    return this.#controller.signal;
  }

  validFor(): number {
    return this.#controller.signal.aborted ? 0 : this.#validFor();
  }

  stopWithin(): number {
    // To ask may end the term.
    const left = this.validFor();
    return this.#controller.signal.aborted ? this.#leftAtEnd() : left;
  }

  assert(): void {
    if (this.validFor() <= 0) throw this.#controller.signal.reason ?? new TermEndedError("expired", this.token);
  }

  /** For `JSON.stringify`, with the token as a string. */
  toJSON(): object {
    const { aborted, reason } = this.#controller.signal;
    const ended = aborted && reason instanceof TermEndedError ? reason.reason : undefined;
    return { token: String(this.token), ended, validFor: this.validFor(), stopWithin: this.stopWithin() };
  }

  end(reason: TermEndReason, left: () => number): void {
    this.#leftAtEnd = left;
    this.#controller.abort(new TermEndedError(reason, this.token));
  }
}

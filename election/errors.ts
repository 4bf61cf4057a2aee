/** Why a term ended. */
export type TermEndReason =
  /** The lease was not renewed in time: etcd may give the lead to another. */
  | "expired"
  /** The key or its lease is gone in etcd: deleted, revoked or expired there. */
  | "key-gone"
  /** {@linkcode Election.resign} was called. */
  | "resigned"
  /** {@linkcode Election.stop} was called. */
  | "stopped";

/** What every error of this library is. */
export class ElectionError extends Error {
  /** The name of the error's class. */
  override name = "ElectionError";
}

/**
 * The reason of a term's signal, and what {@linkcode Term.assert} throws once the term may be over.
 *
 * @example
 * ```ts
 * import { Election, TermEndedError } from "./mod.ts";
 *
 * await using election = new Election({ name: "jobs" });
 * for await (const state of election) {
 *   if (state.role !== "leader") continue;
 *   election.resign();
 *   try {
 *     state.term.assert();
 *   } catch (error) {
 *     if (!(error instanceof TermEndedError)) throw error;
 *     console.log(error.reason); // "resigned"
 *   }
 *   break;
 * }
 * ```
 */
export class TermEndedError extends ElectionError {
  /** The name of the error's class. */
  override name = "TermEndedError";
  /** Why the term ended. */
  readonly reason: TermEndReason;
  /** The fencing token of the term that ended. */
  readonly token: bigint;

  /**
   * Made by the election.
   *
   * @param reason Why the term ended.
   * @param token The fencing token of the term that ended.
   */
  constructor(reason: TermEndReason, token: bigint) {
    super(`Cannot go on as leader: the term with token ${token} ended (${reason})`);
    this.reason = reason;
    this.token = token;
  }
}

/**
 * Thrown by the constructor for an option that cannot work.
 *
 * @example
 * ```ts
 * import { Election, InvalidOptionError } from "./mod.ts";
 *
 * try {
 *   new Election({ name: "jobs", ttlSeconds: 0.5 });
 * } catch (error) {
 *   if (!(error instanceof InvalidOptionError)) throw error;
 *   console.log(error.message); // Cannot take part with ttlSeconds 0.5: expected whole seconds from 1 to 86400
 * }
 * ```
 */
export class InvalidOptionError extends ElectionError {
  /** The name of the error's class. */
  override name = "InvalidOptionError";
  /** The option's name. */
  readonly option: string;
  /** What the option should be. */
  readonly expected: string;

  /**
   * Made by the checks of the options.
   *
   * @param option The option's name.
   * @param given What was given, without secrets.
   * @param expected What the option should be.
   */
  constructor(option: string, given: unknown, expected: string) {
    super(`Cannot take part with ${option} ${JSON.stringify(given)}: expected ${expected}`);
    this.option = option;
    this.expected = expected;
  }
}

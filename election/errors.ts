/** Why a term ended. */
export type TermEndReason =
  /** The lease was not renewed in time: another candidate may be leader. */
  | "expired"
  /** The key or its lease no longer exists in etcd: deleted, revoked or expired. */
  | "key-gone"
  /** {@linkcode Election.resign} was called. */
  | "resigned"
  /** {@linkcode Election.stop} was called. */
  | "stopped";

/**
 * Control and format characters, line separators, lone surrogates: they can move a cursor, or hide or reorder text.
 * Not the joiners between characters that need them, as in some emoji and in Persian.
 */
export const UNPRINTABLE = /(?!(?<=[^\p{ASCII}\p{C}\p{Z}])[\u200c\u200d])[\p{C}\p{Zl}\p{Zp}]/gu;

/** Whether a text has no such characters. */
export function isPrintable(text: string): boolean {
  return text.search(UNPRINTABLE) < 0;
}

/** Text from others on one line, without such characters, and with an ellipsis if it is longer than `maxLength`. */
export function printable(text: string, maxLength = Infinity): string {
  const clean = text.slice(0, maxLength + 1).replace(UNPRINTABLE, "\uFFFD");
  return clean.length > maxLength ? clean.slice(0, maxLength) + "…" : clean;
}

/** What Deno says if a permission is missing. */
const NOT_CAPABLE = /Requires \w+ access\b.*? run again with the --allow-\w+ flag/s;

/** Deno's words for a permission that is missing, with the flag that gives it, if an error's text has them. */
export function missingPermission(text: string): string | undefined {
  return NOT_CAPABLE.exec(text)?.[0];
}

/** Base class of all errors of this library. */
export class ElectionError extends Error {
  /** The name of the error's class. */
  override name = "ElectionError";
}

/**
 * The term has ended, or its lease may have expired. It is the reason of an aborted {@linkcode Term.signal}, and thrown
 * by {@linkcode Term.assert}. Many functions that take a signal throw an `AbortError` of their own instead: to know
 * whether an error came from the end of the term, ask `term.signal.aborted`.
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
   * Created by the library; not meant to be constructed by users.
   *
   * @param reason Why the term ended.
   * @param token The fencing token of the term that ended.
   */
  constructor(reason: TermEndReason, token: bigint) {
    super(`The term with token ${token} has ended (${reason})`);
    this.reason = reason;
    this.token = token;
  }

  /** For `JSON.stringify`: the token as a string. */
  toJSON(): { name: string; message: string; reason: TermEndReason; token: string } {
    return { name: this.name, message: this.message, reason: this.reason, token: String(this.token) };
  }
}

/**
 * An invalid option. Thrown by the constructors of {@linkcode Election} and {@linkcode Connection}, and by
 * {@linkcode observe}.
 *
 * @example
 * ```ts
 * import { Election, InvalidOptionError } from "./mod.ts";
 *
 * try {
 *   new Election({ name: "jobs", ttlSeconds: 0.5 });
 * } catch (error) {
 *   if (!(error instanceof InvalidOptionError)) throw error;
 *   console.log(error.message); // Invalid option ttlSeconds: 0.5; expected whole seconds from 1 to 86400
 * }
 * ```
 */
export class InvalidOptionError extends ElectionError {
  /** The name of the error's class. */
  override name = "InvalidOptionError";
  /** The option's name. */
  readonly option: string;
  /** A description of valid values. */
  readonly expected: string;

  /**
   * Created by the library; not meant to be constructed by users.
   *
   * @param option The option's name.
   * @param given The invalid value, without secrets.
   * @param expected A description of valid values.
   */
  constructor(option: string, given: unknown, expected: string) {
    super(`Invalid option ${option}: ${shown(given)}; expected ${expected}`);
    this.option = option;
    this.expected = expected;
  }
}

/** Stands for a value that may be a secret. */
export const NOT_SHOWN = "(not shown)";

/** A value for a message; also one of which there is no JSON. */
function shown(value: unknown): string {
  if (typeof value === "function") return "a function";
  if (value === NOT_SHOWN || typeof value === "number") return String(value);
  if (typeof value === "bigint") return `${value}n`;
  // JSON has null for a part that is NaN, and none for a bigint.
  const isJson = (part: unknown) => typeof part === "number" ? Number.isFinite(part) : typeof part !== "bigint";
  try {
    return JSON.stringify(value, (_, part) => isJson(part) ? part : shown(part)) ?? String(value);
  } catch {
    return Object.prototype.toString.call(value);
  }
}

/**
 * Leadership cannot be handed over to the given candidate: it is not one of the first 100 that wait, or a candidate of
 * another program, which cannot be skipped, is queued before it, or etcd refuses writes. {@linkcode Election.resign}
 * rejects with it, and nothing has changed.
 *
 * @example
 * ```ts
 * import { Election, HandoffError } from "./mod.ts";
 *
 * await using election = new Election({ name: "jobs", candidate: { id: "a" } });
 * for await (const { role } of election) if (role === "leader") break;
 * try {
 *   await election.resign({ to: election.status.queue[0] });
 * } catch (error) {
 *   if (!(error instanceof HandoffError)) throw error;
 *   console.log(error.candidate); // "a": it leads already
 * }
 * ```
 */
export class HandoffError extends ElectionError {
  /** The name of the error's class. */
  override name = "HandoffError";
  /** The id of the candidate that cannot be the next leader. */
  readonly candidate: string;
  /** Why not. */
  readonly reason: string;

  /**
   * Created by the library; not meant to be constructed by users.
   *
   * @param candidate The id of the candidate that cannot be the next leader.
   * @param reason Why not.
   */
  constructor(
    candidate: string,
    reason = "it is not one of the first 100 that wait, or a candidate of another program is queued before it",
  ) {
    super(`Cannot hand over to ${candidate}: ${reason}`);
    this.candidate = candidate;
    this.reason = reason;
  }
}

/**
 * The work of a term was still running when its lease had expired, so that another node may have led beside it.
 * {@linkcode Election.resign} rejects with it if a loop body did not end in time; most often because the body itself
 * awaits `resign`, which waits for the body: leave the body instead (`break`, `return`), or do not await it there.
 *
 * @example
 * ```ts
 * import { Election, OverrunError } from "./mod.ts";
 *
 * await using election = new Election({ name: "jobs", ttlSeconds: 2 });
 * for await (const { role } of election) {
 *   if (role !== "leader") continue;
 *   try {
 *     await election.resign(); // Wrong: it waits for this body, for up to two TTLs.
 *   } catch (error) {
 *     if (!(error instanceof OverrunError)) throw error;
 *     console.log(error.message);
 *   }
 *   break;
 * }
 * ```
 */
export class OverrunError extends ElectionError {
  /** The name of the error's class. */
  override name = "OverrunError";
  /** The fencing token of the term. */
  readonly token: bigint;

  /**
   * Created by the library; not meant to be constructed by users.
   *
   * @param token The fencing token of the term.
   */
  constructor(token: bigint) {
    super(
      `The work of the term with token ${token} did not end before its lease: pass term.signal to it, and do not await resign() inside of a loop over the election`,
    );
    this.token = token;
  }

  /** For `JSON.stringify`: the token as a string. */
  toJSON(): { name: string; message: string; token: string } {
    return { name: this.name, message: this.message, token: String(this.token) };
  }
}

/**
 * The candidate did not become leader: the time to wait was over, or its election was stopped. Thrown by
 * {@linkcode Election.ready}, {@linkcode whileLeader} and {@linkcode withLock}.
 *
 * @example
 * ```ts
 * import { NotElectedError, whileLeader } from "./mod.ts";
 *
 * try {
 *   await whileLeader({ name: "jobs" }, () => console.log("leads"), { wait: 10_000 });
 * } catch (error) {
 *   if (!(error instanceof NotElectedError)) throw error;
 *   console.log("somebody else leads, or etcd does not answer");
 * }
 * ```
 */
export class NotElectedError extends ElectionError {
  /** The name of the error's class. */
  override name = "NotElectedError";
  /** Why not. */
  readonly reason: "timeout" | "stopped";

  /**
   * Created by the library; not meant to be constructed by users.
   *
   * @param reason Why not.
   * @param detail The last error of etcd, if calls to it fail.
   */
  constructor(reason: "timeout" | "stopped", detail?: string) {
    super(
      reason === "stopped"
        ? "The election was stopped"
        : `Not elected in time${detail === undefined ? "" : `: ${detail}`}`,
    );
    this.reason = reason;
  }
}

/**
 * This process cannot use etcd, however long it waits: a permission of Deno is missing, which the message names, or the
 * gRPC client cannot be loaded. Thrown by {@linkcode whileLeader}, {@linkcode lead}, {@linkcode withLock},
 * {@linkcode findLeader} and {@linkcode Election.ready}. All else that keeps them from etcd can be mended while they
 * wait.
 *
 * @example
 * ```ts
 * import { SetupError, whileLeader } from "./mod.ts";
 *
 * try {
 *   await whileLeader({ name: "jobs" }, () => console.log("leads"));
 * } catch (error) {
 *   if (!(error instanceof SetupError)) throw error;
 *   console.log(error.message); // … Requires net access to "127.0.0.1:2379", run again with the --allow-net flag
 * }
 * ```
 */
export class SetupError extends ElectionError {
  /** The name of the error's class. */
  override name = "SetupError";
}

/**
 * {@linkcode Election.stop} did not finish within the time that it was given. The connections are closed, and the place
 * in the queue is left to the lease, which expires by itself: work that still runs has its time.
 *
 * @example
 * ```ts
 * import { Election, StopTimeoutError } from "./mod.ts";
 *
 * const election = new Election({ name: "jobs" });
 * await election.ready();
 * await election.stop({ within: 10_000 }).catch((error) => {
 *   if (!(error instanceof StopTimeoutError)) throw error;
 *   console.log(error.message);
 * });
 * ```
 */
export class StopTimeoutError extends ElectionError {
  /** The name of the error's class. */
  override name = "StopTimeoutError";

  /**
   * Created by the library; not meant to be constructed by users.
   *
   * @param within The time that it was given, in milliseconds.
   */
  constructor(within: number) {
    super(`Not stopped within ${within} ms: the work still runs, or etcd does not answer; the lease expires by itself`);
  }
}

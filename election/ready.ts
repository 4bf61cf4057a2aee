import { InvalidOptionError, NOT_SHOWN } from "./errors.ts";
import { checkNames } from "./option_shape.ts";

/** How long to wait for leadership. */
export interface WaitOptions {
  /**
   * Ends the wait, and the work, when it fires; the promise then rejects with its reason, unless the work had ended by
   * itself. If it has fired before, nothing else happens. The promise never settles while the work runs. After that, etcd
   * has half a second to confirm that the candidate has left; if it is silent, the candidate leaves later, or its lease
   * expires.
   */
  signal?: AbortSignal;
  /**
   * Milliseconds to wait for leadership before giving up with {@linkcode NotElectedError}.
   *
   * @default {Infinity}
   */
  wait?: number;
}

/**
 * Checks the options of a wait.
 *
 * @throws {InvalidOptionError} If one is invalid.
 */
export function checkWait(options: WaitOptions): WaitOptions {
  checkNames(options, ["signal", "wait"]);
  const { signal, wait = Infinity } = options;
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw new InvalidOptionError("signal", NOT_SHOWN, "an AbortSignal");
  }
  return { signal, wait: checkLimit("wait", wait) };
}

/**
 * Checks a limit in milliseconds.
 *
 * @throws {InvalidOptionError} If it is none.
 */
export function checkLimit(name: string, ms: number): number {
  if (typeof ms === "number" && ms > 0) return ms;
  throw new InvalidOptionError(name, ms, "milliseconds, more than 0");
}

/** No timer can take so many milliseconds, or more. */
export const MAX_TIMER_MS = 2 ** 31;

/** A timer; none for a time that no timer can take. */
export function timeout(ms: number, run: () => void): ReturnType<typeof setTimeout> | undefined {
  return ms < MAX_TIMER_MS ? setTimeout(run, ms) : undefined;
}

import { InvalidOptionError, NOT_SHOWN, NotElectedError } from "./errors.ts";
import { checkNames } from "./option_shape.ts";
import type { RoleState } from "./state.ts";
import type { Term } from "./term.ts";

/** How long to wait for leadership. */
export interface WaitOptions {
  /** Ends the wait, and the work, when it fires; the promise then rejects with its reason. */
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

/** Waits for the leader's state among those that a reader gets; it is returned in any case. */
export async function untilLeader(
  states: AsyncIterableIterator<RoleState>,
  { signal, wait = Infinity }: WaitOptions,
  problem: () => string | undefined = () => undefined,
): Promise<Term> {
  let late = false;
  const end = () => void states.return!();
  const giveUp = () => {
    late = true;
    end();
  };
  const timer = timeout(wait, giveUp);
  signal?.addEventListener("abort", end);
  try {
    signal?.throwIfAborted();
    for await (const state of states) if (state.role === "leader") return state.term;
    signal?.throwIfAborted();
    throw new NotElectedError(late ? "timeout" : "stopped", problem());
  } finally {
    end();
    clearTimeout(timer);
    signal?.removeEventListener("abort", end);
  }
}

/** No timer can take so many milliseconds, or more. */
export const MAX_TIMER_MS = 2 ** 31;

/** A timer; none for a time that no timer can take. */
export function timeout(ms: number, run: () => void): ReturnType<typeof setTimeout> | undefined {
  return ms < MAX_TIMER_MS ? setTimeout(run, ms) : undefined;
}

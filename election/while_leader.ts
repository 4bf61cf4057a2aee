import { campaign } from "./campaign.ts";
import { InvalidOptionError } from "./errors.ts";
import type { ElectionOptions } from "./options.ts";
import { Participant } from "./participant.ts";
import { rehearsing } from "./rehearsal.ts";
import { checkWait, type WaitOptions } from "./ready.ts";
import type { Term } from "./term.ts";

/**
 * Runs a function while this process leads: joins the election, calls `body` in each term until it returns, and leaves.
 *
 * - `body` returns while its term holds: leadership is given up, and the promise resolves with the result.
 * - `body` throws while its term holds: leadership is given up, and the promise rejects with the error.
 * - The term ends first (`term.signal` fires): when `body` has ended, however it ends, the candidate queues again, and
 *   `body` runs anew in the next term. What it threw, unless it is an `AbortError`, is the event `work-failed`.
 * - `signal` fires: the term ends; when `body` has ended, leadership is given up, and the promise rejects with the
 *   signal's reason.
 *
 * `body` never runs twice at once in this process, and leadership is not handed over while it runs, unless it overruns
 * its lease (event `overrun`).
 *
 * @param options The election's name, how to connect to etcd, and the candidate's description.
 * @param body The leader's work. It must end when `term.signal` fires.
 * @param waitOptions When to give up: see {@linkcode WaitOptions}. `wait` counts for each term anew.
 * @returns What `body` returned.
 * @throws {NotElectedError} If this candidate did not lead within `wait` milliseconds.
 * @throws {SetupError} If this process can never reach etcd, as for want of a permission of Deno.
 * @throws {InvalidOptionError} If an option is invalid; the message names it and the valid values.
 *
 * @example A job that runs once, on one of many machines
 * ```ts
 * import { whileLeader } from "./mod.ts";
 *
 * const count = await whileLeader({ name: "jobs" }, async ({ signal }) => {
 *   let done = 0;
 *   while (done < 3) {
 *     signal.throwIfAborted(); // Another node goes on.
 *     done += await Promise.resolve(1);
 *   }
 *   return done;
 * });
 * console.log(`${count} jobs done`);
 * ```
 *
 * @example A service that is told when to end
 * ```ts
 * import { whileLeader } from "./mod.ts";
 *
 * const shutdown = new AbortController();
 * const serving = whileLeader({ name: "jobs" }, async ({ signal, token }) => {
 *   console.log(`serving with token ${token}`);
 *   shutdown.abort(); // As a handler of SIGTERM does.
 *   await new Promise((resolve) => signal.aborted ? resolve(null) : signal.addEventListener("abort", resolve));
 * }, { signal: shutdown.signal });
 * await serving.catch((error) => {
 *   if (!shutdown.signal.aborted) throw error;
 * });
 * ```
 */
export async function whileLeader<T>(
  options: ElectionOptions,
  body: (term: Term) => T | Promise<T>,
  waitOptions: WaitOptions = {},
): Promise<T> {
  checkFunction("body", body);
  const { signal, wait } = checkWait(waitOptions);
  signal?.throwIfAborted();
  const participant = Participant.join(options, true);
  return await rehearsing(campaign(participant, body, { signal, wait, again: true }));
}

/**
 * Checks that a callback is a function.
 *
 * @throws {InvalidOptionError} If it is none.
 */
export function checkFunction(name: string, given: unknown): void {
  if (typeof given !== "function") throw new InvalidOptionError(name, given, "a function");
}

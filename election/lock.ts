import { campaign } from "./campaign.ts";
import type { ElectionOptions } from "./options.ts";
import { checkOptionNames } from "./option_shape.ts";
import { Participant } from "./participant.ts";
import { checkWait, type WaitOptions } from "./ready.ts";
import type { Term } from "./term.ts";
import { checkFunction } from "./while_leader.ts";

/** Options of {@linkcode withLock}: how to connect to etcd, how long to wait, and what a candidate may say. */
export interface LockOptions extends Omit<ElectionOptions, "name">, WaitOptions {}

/**
 * Runs a function while this process holds a lock: the leadership of the election `name`. It queues like a candidate,
 * first come, first served; it has the same term, with a signal and a fencing token, and stops by the same rule. Unlike
 * {@linkcode whileLeader}, it calls `body` once: a lock that was lost is an error, even if `body` returned.
 *
 * It is not reentrant: a `body` that asks for its own lock waits for ever. Pass a `connection` to use locks often: to
 * connect takes much longer than to lock. The lock is released when the promise settles, unless etcd is silent when
 * `signal` fires: see {@linkcode WaitOptions}. The connection's `close` waits for the rest.
 *
 * @param name The lock's name. Its keys in etcd are `<name>/<lease id>`.
 * @param body The critical section. It must end when `term.signal` fires.
 * @param options How to connect to etcd, and `signal` and `wait`, in milliseconds, to give up.
 * @returns What `body` returned.
 * @throws {NotElectedError} If the lock was not acquired within `wait` milliseconds.
 * @throws {TermEndedError} If the lock was lost before `body` had ended, and `body` did not throw.
 * @throws {SetupError} If this process can never reach etcd, as for want of a permission of Deno.
 * @throws {InvalidOptionError} If an option is invalid; the message names it and the valid values.
 *
 * @example
 * ```ts
 * import { Connection, withLock } from "./mod.ts";
 *
 * await using connection = new Connection({ endpoints: ["http://127.0.0.1:2379"] });
 * const balance = await withLock("accounts/7", async ({ signal, token }) => {
 *   signal.throwIfAborted();
 *   return await Promise.resolve(`written with token ${token}`);
 * }, { connection, wait: 10_000 });
 * console.log(balance);
 * ```
 */
export async function withLock<T>(
  name: string,
  body: (term: Term) => T | Promise<T>,
  options: LockOptions = {},
): Promise<T> {
  checkFunction("body", body);
  checkOptionNames(options, "candidate", ["signal", "wait"]);
  const { signal, wait, ...electionOptions } = options;
  checkWait({ signal, wait });
  signal?.throwIfAborted();
  const participant = Participant.join({ ...electionOptions, name }, true, { marksLeaving: false });
  return await campaign(participant, body, { signal, wait, again: false });
}

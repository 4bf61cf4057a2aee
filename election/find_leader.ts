import type { ObserveOptions } from "./options.ts";
import { checkOptionNames } from "./option_shape.ts";
import { Participant } from "./participant.ts";
import { GivingUp } from "./giving_up.ts";
import { checkWait, type WaitOptions } from "./ready.ts";
import type { Leader } from "./state.ts";

/** Options of {@linkcode findLeader}. */
export interface FindLeaderOptions extends ObserveOptions, WaitOptions {}

/**
 * Finds the leader of an election once, for clients that only want to ask it something. To follow the leader through
 * many requests, use {@linkcode observe}, which asks etcd only once.
 *
 * @param options The election's name, how to connect to etcd, and `signal` and `wait`, in milliseconds, to give up.
 * @returns The leader, as soon as there is one. It may have ceased to lead when the caller asks it.
 * @throws {NotElectedError} If etcd did not tell of a leader within `wait` milliseconds.
 * @throws {SetupError} If this process can never reach etcd, as for want of a permission of Deno.
 * @throws {InvalidOptionError} If an option is invalid; the message names it and the valid values.
 *
 * @example
 * ```ts
 * import { Election, findLeader } from "./mod.ts";
 *
 * await using election = new Election({ name: "jobs", candidate: { id: "a", url: "http://localhost:8080" } });
 * const leader = await findLeader({ name: "jobs", wait: 10_000 });
 * console.log(leader.url); // http://localhost:8080
 * await election.stop();
 * ```
 */
export async function findLeader(options: FindLeaderOptions): Promise<Leader> {
  checkOptionNames(options, "observer", ["signal", "wait"]);
  const { signal, wait, ...observeOptions } = options;
  checkWait({ signal, wait });
  signal?.throwIfAborted();
  const observer = Participant.join(observeOptions, false);
  const givingUp = new GivingUp({ signal, wait }, () => observer.stop(), observer);
  try {
    for await (const { leader } of observer) if (leader) return leader;
  } finally {
    await givingUp.leave(observer);
  }
  throw givingUp.reason;
}

import type { ElectionOptions, ObserveOptions } from "./options.ts";
import { Participant } from "./participant.ts";
import type { Candidate } from "./machine/queue.ts";
import type { RoleState } from "./state.ts";
import type { ElectionStatus, ElectionView } from "./observation.ts";

/**
 * A candidate in an election. It queues as soon as it is made, and for ever again when it loses its
 * place, until {@linkcode Election.stop}. It never throws because of etcd: while etcd is away, nobody
 * leads, and it goes on trying.
 *
 * As an async iterable it gives its states: each reader gets the newest one when it asks, so a slow
 * one may skip some. The body of the loop is the work of the leader: on `resign` and `stop`, the place
 * in the queue is given up only when the body has ended (or the lease has).
 *
 * @example Exactly one of many processes works
 * ```ts
 * import { Election } from "./mod.ts";
 *
 * await using election = new Election({ name: "jobs", candidate: { id: "worker-1" } });
 * for await (const state of election) {
 *   if (state.role !== "leader") continue;
 *   await work(state.term.signal, state.term.token);
 *   break; // Or go on, to work again in the next term.
 * }
 *
 * async function work(signal: AbortSignal, token: bigint) {
 *   for (let job = 1; job <= 3 && !signal.aborted; job++) {
 *     console.log(await Promise.resolve(`job ${job}, done by the leader with token ${token}`));
 *   }
 * }
 * ```
 */
export class Election implements ElectionView {
  readonly #participant: Participant;

  /**
   * Joins the election at once.
   *
   * @param options The election's name, where etcd is, who the candidate is.
   * @throws {InvalidOptionError} If an option cannot work; the message says which and why.
   */
  constructor(options: ElectionOptions) {
    this.#participant = new Participant(options, true);
  }

  /** The role at this moment, computed against the clock: never "leader" once the lease may have ended. */
  get state(): RoleState {
    return this.#participant.state;
  }

  /** All that is known at this moment: the role, the queue, the lease. */
  get status(): ElectionStatus {
    return this.#participant.status;
  }

  /** The states from now on, ended by `stopped`. Any number of readers may run at once. */
  [Symbol.asyncIterator](): AsyncIterableIterator<RoleState> {
    return this.#participant[Symbol.asyncIterator]();
  }

  /**
   * Steps down: ends the term, waits for the work of the loops over this election to end, gives the
   * lead to the next in the queue, and queues again at the end. Does nothing for one who waits. Do not
   * await it inside such a loop: its body is what is waited for.
   *
   * @param options.to A candidate of `status.queue` that is to lead next, wherever it waits. Those before it
   *   queue again at the end. If it is gone by then, the lead goes to the next.
   * @returns A promise that resolves once the lead is given up, at the latest when the lease has ended.
   * @throws {InvalidOptionError} If the lead cannot be given to `to`: it does not wait, or a candidate of
   *   another program, which cannot be passed, waits before it.
   *
   * @example
   * ```ts
   * import { Election } from "./mod.ts";
   *
   * await using election = new Election({ name: "jobs" });
   * for await (const { role } of election) if (role === "leader") break;
   * await election.resign();
   * ```
   */
  resign({ to }: { to?: Candidate } = {}): Promise<void> {
    return this.#participant.resign(to);
  }

  /**
   * Leaves the election for good: as {@linkcode Election.resign}, but without queueing again, then
   * closes the connections. Iterators end after the state `stopped`. Do not await it inside a loop over
   * this election: leave the loop first.
   *
   * @returns A promise that resolves when all is closed, also when etcd does not answer.
   */
  stop(): Promise<void> {
    return this.#participant.stop();
  }

  /** The same as {@linkcode Election.stop}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#participant.stop();
  }
}

/**
 * Looks at an election without standing in it: its state is `follower` with the leader that etcd names,
 * or `connecting`.
 *
 * @param options The election's name and where etcd is.
 * @throws {InvalidOptionError} If an option cannot work; the message says which and why.
 *
 * @example Follow the leader
 * ```ts
 * import { observe } from "./mod.ts";
 *
 * await using jobs = observe({ name: "jobs" });
 * for await (const { role, leader } of jobs) {
 *   if (role === "connecting") continue;
 *   console.log(leader?.url ?? "nobody leads");
 *   break; // Or go on, to be told of every change.
 * }
 * ```
 */
export function observe(options: ObserveOptions): ElectionView {
  return new Participant(options, false);
}

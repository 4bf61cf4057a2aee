import type { ElectionOptions, ObserveOptions, SelfChanges } from "./options.ts";
import { setLook } from "./look.ts";
import { Participant } from "./participant.ts";
import type { Candidate } from "./machine/queue.ts";
import { Rehearsals } from "./rehearsal.ts";
import type { WaitOptions } from "./ready.ts";
import type { RoleState } from "./state.ts";
import type { Term } from "./term.ts";
import type { ElectionStatus, ElectionView } from "./observation.ts";

// Not private fields: a class with those takes no other object for its type, such as a FakeElection.
const participants = new WeakMap<Election, Participant>();
const rehearsals = new WeakMap<Election, Rehearsals>();

function participantOf(election: Election): Participant {
  return participants.get(election)!;
}

/**
 * A candidate in an election. It joins the queue on construction and rejoins whenever it loses its place, until
 * {@linkcode Election.stop}. It never throws because of etcd: if etcd is unavailable, a term ends before its lease
 * can expire, and the candidate keeps retrying.
 *
 * As an async iterable it yields its states. Each reader gets the latest state when it asks for one, so a slow reader
 * may skip some. The loop body is the leader's work: on `resign` and `stop`, the place in the queue is given up only
 * after the body has finished (or the lease has expired).
 *
 * @example Exactly one of many processes works
 * ```ts
 * import { Election } from "./mod.ts";
 *
 * await using election = new Election({ name: "jobs", candidate: { id: "worker-1" } });
 * for await (const state of election) {
 *   if (state.role !== "leader") continue;
 *   await work(state.term.signal, state.term.token);
 *   break; // Or continue, to work again in the next term.
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
  /**
   * Joins the election.
   *
   * @param options The election's name, how to connect to etcd, and the candidate's description.
   * @throws {InvalidOptionError} If an option is invalid; the message names it and the valid values.
   */
  constructor(options: ElectionOptions) {
    const participant = Participant.join(options, true);
    participants.set(this, participant);
    setLook(this, () => participant.look());
    rehearsals.set(this, new Rehearsals());
  }

  /** The current role, computed against the clock: never "leader" once the lease may have expired. */
  get state(): RoleState {
    return participantOf(this).state;
  }

  /** The current status: role, queue and lease. */
  get status(): ElectionStatus {
    return participantOf(this).status;
  }

  /** The states from now on; `stopped` is the last one. There may be any number of concurrent readers. */
  [Symbol.asyncIterator](): AsyncIterableIterator<RoleState> {
    return participantOf(this)[Symbol.asyncIterator]();
  }

  /**
   * Waits until this candidate leads, for code that works beside the loop: a server that asks {@linkcode Election.state}
   * for each request. No handover waits for such work.
   *
   * @param options.signal Ends the wait; the promise then rejects with its reason.
   * @param options.wait Milliseconds to wait.
   * @returns The term: the current one, if this candidate leads already.
   * @throws {NotElectedError} If `wait` is over, or the election was stopped.
   * @throws {SetupError} If this process can never reach etcd, as for want of a permission of Deno.
   *
   * @example
   * ```ts
   * import { Election } from "./mod.ts";
   *
   * await using election = new Election({ name: "jobs" });
   * const { token } = await election.ready({ signal: AbortSignal.timeout(60_000) });
   * console.log(`leads with token ${token}`);
   * ```
   */
  ready(options: WaitOptions = {}): Promise<Term> {
    return participantOf(this).ready(options);
  }

  /**
   * Describes this candidate anew, in its place and with its token: for others, in `status.queue` and `state.leader`.
   *
   * @param changes The new `url`, `meta` or both; what is not given stays as it is.
   * @returns A promise that resolves when etcd has it; if this candidate is not in the queue, it joins with it.
   * @throws {InvalidOptionError} If one is invalid; the message names it and the valid values.
   *
   * @example
   * ```ts
   * import { Election } from "./mod.ts";
   *
   * await using election = new Election({ name: "jobs", candidate: { id: "a", meta: { version: "1" } } });
   * await election.ready();
   * await election.update({ url: "http://localhost:8081", meta: { version: "1", state: "warm" } });
   * console.log(election.state.leader?.url, election.state.leader?.meta);
   * ```
   */
  update(changes: SelfChanges): Promise<void> {
    return participantOf(this).update(changes);
  }

  /**
   * Resigns: ends the term, waits for the bodies of the loops over this election to finish, hands leadership over to
   * the candidate with the highest priority among the first 100 that wait, and rejoins at the end of the queue. Does
   * nothing while this candidate waits. Do not await it inside such a loop: it would wait for its own loop body, for up
   * to two TTLs.
   *
   * @param options.to The candidate of `status.queue` to hand over to, among the first 100 that wait. The candidates
   *   before it rejoin at the end. If it has left in the meantime, the next candidate becomes leader.
   * @returns A promise that resolves once leadership is given up. A body that does not end is waited for up to two
   *   TTLs, after `drainMs`.
   * @throws {HandoffError} If leadership cannot be handed over to `to`: it is not one of the first 100 that wait, or a
   *   candidate of another program, which cannot be skipped, is queued before it, or etcd refuses writes.
   * @throws {OverrunError} If a loop body has not ended by then: leadership is given up, but the work still runs.
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
    return participantOf(this).resign(to);
  }

  /**
   * Leaves the election permanently: resigns like {@linkcode Election.resign}, but does not rejoin, and closes the
   * connections. Iterators end after the state `stopped`. Do not await it inside a loop over this election: leave the
   * loop first.
   *
   * @param options.within Milliseconds after which to stop waiting for loop bodies and for etcd. Then the connections are
   *   closed, and the place in the queue is left to the lease: nobody else leads before the work's time is over.
   * @returns A promise that resolves when everything is closed, also if etcd does not answer.
   * @throws {StopTimeoutError} If it takes longer than `within`.
   * @throws {InvalidOptionError} If `within` is no number of milliseconds; the election goes on then.
   */
  async stop(options: { within?: number } = {}): Promise<void> {
    await Promise.all([participantOf(this).stop(options), rehearsals.get(this)!.stop()]);
  }

  /** Same as {@linkcode Election.stop}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}

/**
 * Observes an election without becoming a candidate. Its state is `follower`, with the leader according to etcd, or
 * `connecting`.
 *
 * @param options The election's name and how to connect to etcd.
 * @throws {InvalidOptionError} If an option is invalid; the message names it and the valid values.
 *
 * @example Follow the leader
 * ```ts
 * import { observe } from "./mod.ts";
 *
 * await using jobs = observe({ name: "jobs" });
 * for await (const { role, leader } of jobs) {
 *   if (role === "connecting") continue;
 *   console.log(leader?.url ?? "there is no leader");
 *   break; // Or continue, to see every change.
 * }
 * ```
 */
export function observe(options: ObserveOptions): ElectionView {
  return Participant.join(options, false);
}

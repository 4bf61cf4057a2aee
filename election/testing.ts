/**
 * An election without etcd, for testing code that uses one. The test sets its state; to its readers it behaves like a
 * real one.
 *
 * @example A job that must stop when leadership is lost
 * ```ts
 * import type { ElectionView } from "./mod.ts";
 * import { FakeElection } from "./testing.ts";
 *
 * async function work(election: ElectionView, done: string[]) {
 *   for await (const state of election) {
 *     if (state.role !== "leader") continue;
 *     done.push(`started with ${state.term.token}`);
 *     await new Promise((resolve) => state.term.signal.addEventListener("abort", resolve));
 *     done.push("stopped");
 *   }
 * }
 *
 * const election = new FakeElection();
 * const done: string[] = [];
 * const working = work(election, done);
 * election.lead();
 * await election.read();
 * election.lose();
 * await election.stop();
 * await working;
 * console.assert(done.join() === "started with 1,stopped");
 * ```
 *
 * @module
 */
import type { Election } from "./election.ts";
import type { TermEndReason } from "./errors.ts";
import { Readers } from "./readers.ts";
import type { SelfChanges } from "./options.ts";
import { checkWait, type WaitOptions } from "./ready.ts";
import { untilLeader } from "./until_leader.ts";
import type { Leader, RoleState } from "./state.ts";
import type { ElectionStatus } from "./observation.ts";
import { OwnTerm, type Term } from "./term.ts";

/** An election whose state a test sets. The initial state is `connecting`. */
export class FakeElection implements Election {
  #self: Pick<Leader, "id" | "url" | "meta">;
  readonly #readers: Readers = new Readers(() => this.#state);
  #state: RoleState = { role: "connecting" };
  #term: OwnTerm | undefined;
  #lastToken = 0n;

  /**
   * Creates an election in which nothing happens on its own.
   *
   * @param id The candidate's name.
   */
  constructor(id = "me") {
    this.#self = { id };
  }

  /** The current state. */
  get state(): RoleState {
    return this.#state;
  }

  /** The current status, with the leader as the only candidate. */
  get status(): ElectionStatus {
    const { leader } = this.#state;
    return {
      state: this.#state,
      queue: leader ? [{ key: `fake/${leader.token}`, ...leader }] : [],
      inQueue: this.#state.role !== "stopped",
      queueAgeMs: 0,
    };
  }

  /** The states from now on; `stopped` is the last one. */
  [Symbol.asyncIterator](): AsyncIterableIterator<RoleState> {
    return this.#readers.iterate();
  }

  /**
   * Makes the candidate the leader, with a greater token than all before.
   *
   * @param validForMs How long the term is valid, in milliseconds: `validFor` counts down from it by `Date.now()`, so
   *   that fake timers can move it. Nothing ends the term by itself: see {@linkcode FakeElection.lose}.
   * @returns The new term.
   */
  lead(validForMs = 5000): Term {
    this.lose("key-gone");
    const token = ++this.#lastToken;
    const until = Date.now() + validForMs;
    this.#term = new OwnTerm(`fake/${token}`, token, () => Math.max(0, until - Date.now()));
    this.#set({ role: "leader", leader: { ...this.#self, token, since: new Date() }, term: this.#term });
    return this.#term;
  }

  /**
   * Ends the term, if there is one: its signal is aborted, and there is no leader.
   *
   * @param reason Why it ends.
   */
  lose(reason: TermEndReason = "expired"): void {
    if (!this.#term) return;
    const [term, left] = [this.#term, reason === "key-gone" ? 0 : this.#term.validFor()];
    this.#term = undefined;
    this.#set({ role: "follower" });
    term.end(reason, () => left);
  }

  /**
   * Makes another candidate the leader, with a greater token than all before.
   *
   * @param id The leader's name.
   * @param url The leader's HTTP URL.
   */
  follow(id: string, url?: string): void {
    this.lose("key-gone");
    this.#set({ role: "follower", leader: { id, url, token: ++this.#lastToken, since: new Date() } });
  }

  /** Simulates the loss of etcd: the state becomes `connecting`. */
  disconnect(): void {
    this.lose();
    this.#set({ role: "connecting" });
  }

  /** Resolves when the readers have had time to read the current state. */
  read(): Promise<void> {
    // A turn of the event loop that fake timers leave alone.
    const { port1, port2 } = new MessageChannel();
    return new Promise((resolve) => {
      port1.onmessage = () => {
        port1.close();
        port2.close();
        resolve();
      };
      port2.postMessage(undefined);
    });
  }

  /**
   * Waits until the test makes the candidate the leader.
   *
   * @param options See {@linkcode WaitOptions}.
   * @returns The term.
   */
  async ready(options: WaitOptions = {}): Promise<Term> {
    return await untilLeader(this.#readers.iterate(false), checkWait(options));
  }

  /**
   * Describes the candidate anew, as it leads now and in terms to come.
   *
   * @param changes The new `url`, `meta` or both.
   */
  update(changes: SelfChanges): Promise<void> {
    this.#self = { ...this.#self, ...changes };
    if (this.#state.role === "leader") {
      this.#set({ ...this.#state, leader: { ...this.#state.leader, ...changes } });
    }
    return Promise.resolve();
  }

  /**
   * Resigns like a real election: ends the term and waits for the loop bodies to finish.
   *
   * @returns A promise that resolves when they have finished.
   */
  async resign(): Promise<void> {
    this.lose("resigned");
    await this.#readers.drained();
  }

  /**
   * Leaves the election: like `resign`, then the iterators end after the state `stopped`.
   *
   * @returns A promise that resolves when the loop bodies have finished.
   */
  async stop(): Promise<void> {
    this.lose("stopped");
    await this.#readers.drained();
    this.#set({ role: "stopped" });
  }

  /** Same as {@linkcode FakeElection.stop}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  #set(state: RoleState): void {
    this.#state = state;
    this.#readers.changed();
  }
}

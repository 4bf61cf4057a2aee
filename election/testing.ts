/**
 * An election without etcd, for testing code that takes part in one. It does what the test says, and behaves towards
 * its readers as the real one does.
 *
 * @example A job that must stop when the lead is lost
 * ```ts
 * import type { ElectionView } from "./mod.ts";
 * import { FakeElection } from "./testing.ts";
 *
 * async function work(election: ElectionView, done: string[]) {
 *   for await (const state of election) {
 *     if (state.role !== "leader") continue;
 *     done.push(`begun with ${state.term.token}`);
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
 * console.assert(done.join() === "begun with 1,stopped");
 * ```
 *
 * @module
 */
import type { TermEndReason } from "./errors.ts";
import { Readers } from "./readers.ts";
import type { RoleState } from "./state.ts";
import type { ElectionStatus, ElectionView } from "./observation.ts";
import { OwnTerm, type Term } from "./term.ts";

/** An election that does what a test says. It begins as `connecting`. */
export class FakeElection implements ElectionView {
  readonly #id: string;
  readonly #readers: Readers = new Readers(() => this.#state);
  #state: RoleState = { role: "connecting" };
  #term: OwnTerm | undefined;
  #lastToken = 0n;
  #validForMs = 0;

  /**
   * Makes an election in which nothing happens by itself.
   *
   * @param id The name of the candidate.
   */
  constructor(id = "me") {
    this.#id = id;
  }

  /** The state that was set last. */
  get state(): RoleState {
    return this.#state;
  }

  /** What there is to know: the state, and the leader as the only candidate. */
  get status(): ElectionStatus {
    const { leader } = this.#state;
    return {
      state: this.#state,
      queue: leader ? [{ key: `fake/${leader.token}`, ...leader }] : [],
      inQueue: this.#state.role !== "stopped",
      queueAgeMs: 0,
    };
  }

  /** The states from now on, ended by `stopped`. */
  [Symbol.asyncIterator](): AsyncIterableIterator<RoleState> {
    return this.#readers.iterate();
  }

  /**
   * Makes the candidate the leader, with a token that is greater than all before.
   *
   * @param validForMs What the term's `validFor` and `stopWithin` say, until it ends.
   * @returns The term.
   */
  lead(validForMs = 5000): Term {
    this.lose("key-gone");
    this.#validForMs = validForMs;
    const token = ++this.#lastToken;
    this.#term = new OwnTerm(`fake/${token}`, token, () => this.#validForMs);
    this.#set({ role: "leader", leader: { id: this.#id, token, since: new Date() }, term: this.#term });
    return this.#term;
  }

  /**
   * Ends the term, if there is one: its signal fires, and nobody leads.
   *
   * @param reason Why it ends.
   */
  lose(reason: TermEndReason = "expired"): void {
    if (!this.#term) return;
    const [term, left] = [this.#term, reason === "key-gone" ? 0 : this.#validForMs];
    this.#term = undefined;
    this.#set({ role: "follower" });
    term.end(reason, () => left);
  }

  /**
   * Makes somebody else the leader, with a token that is greater than all before.
   *
   * @param id The leader's name.
   * @param url Where it answers HTTP.
   */
  follow(id: string, url?: string): void {
    this.lose("key-gone");
    this.#set({ role: "follower", leader: { id, url, token: ++this.#lastToken, since: new Date() } });
  }

  /** Loses etcd: nothing is known any more. */
  disconnect(): void {
    this.lose();
    this.#set({ role: "connecting" });
  }

  /** Resolves when the readers have had time to read the state that was set last. */
  read(): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, 0));
  }

  /**
   * Steps down as the real one: ends the term and waits for the work of the loops to end.
   *
   * @returns A promise that resolves when the work has ended.
   */
  async resign(): Promise<void> {
    this.lose("resigned");
    await this.#readers.drained();
  }

  /**
   * Leaves the election: as `resign`, then the iterators end after the state `stopped`.
   *
   * @returns A promise that resolves when the work has ended.
   */
  async stop(): Promise<void> {
    this.lose("stopped");
    await this.#readers.drained();
    this.#set({ role: "stopped" });
  }

  /** The same as {@linkcode FakeElection.stop}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  #set(state: RoleState): void {
    this.#state = state;
    this.#readers.changed();
  }
}

import { type Deferred, deferred } from "./deferred.ts";
import type { RoleState } from "./state.ts";
import type { Term } from "./term.ts";

/** Callbacks about the work in the bodies of readers' loops. */
export interface ReaderHooks {
  /** A loop body begins to work for a term. */
  onWork(term: Term): void;
  /** Nobody works for a term any more, as the loops were left, though it has not ended. */
  onIdle(term: Term): void;
}

/**
 * The readers of an election. Each gets the latest state when it asks, never an outdated one, and never the same one
 * twice in a row.
 */
export class Readers {
  readonly #read: () => RoleState;
  readonly #hooks: ReaderHooks;
  readonly #readers = new Set<Reader>();

  constructor(read: () => RoleState, hooks: ReaderHooks = { onWork() {}, onIdle() {} }) {
    this.#read = read;
    this.#hooks = hooks;
  }

  /** The terms that loop bodies work for. */
  get working(): Term[] {
    return [...this.#readers].flatMap(({ workingFor }) => workingFor ?? []);
  }

  /** Wakes the readers that wait for a new state. */
  changed(): void {
    let state: RoleState | undefined;
    for (const reader of this.#readers) if (reader.isWaiting) reader.changed(state ??= this.#read());
  }

  /** Resolves when no reader's loop body works for an ended term any more; undefined if none does. */
  drained(): Promise<unknown> | undefined {
    const working = [...this.#readers].map((reader) => reader.drained()).filter((work) => work !== undefined);
    return working.length > 0 ? Promise.all(working) : undefined;
  }

  /** A new reader. If its body does not work for terms, but only looks, nobody waits for it. */
  iterate(works = true): AsyncIterableIterator<RoleState> {
    const onReturn = (term?: Term) => {
      this.#readers.delete(reader);
      if (term && !term.signal.aborted && !this.working.includes(term)) this.#hooks.onIdle(term);
    };
    const reader = new Reader(this.#read, works ? this.#hooks.onWork : undefined, onReturn);
    this.#readers.add(reader);
    return reader;
  }
}

class Reader implements AsyncIterableIterator<RoleState> {
  readonly #read: () => RoleState;
  readonly #onWork: ((term: Term) => void) | undefined;
  readonly #onReturn: (workedFor?: Term) => void;
  #last: RoleState | undefined;
  #working: { readonly term: Term; readonly done: Deferred<void> } | undefined;
  #waiting: Deferred<void> | undefined;
  #done = false;

  /** Without `onWork`, the loop's body only looks. */
  constructor(
    read: () => RoleState,
    onWork: ((term: Term) => void) | undefined,
    onReturn: (workedFor?: Term) => void,
  ) {
    this.#read = read;
    this.#onWork = onWork;
    this.#onReturn = onReturn;
  }

  /** Whether it waits for a new state. */
  get isWaiting(): boolean {
    return this.#waiting !== undefined;
  }

  /** The term that its body works for. */
  get workingFor(): Term | undefined {
    return this.#working?.term;
  }

  changed(state: RoleState): void {
    if (isNews(state, this.#last)) this.#waiting?.resolve();
  }

  drained(): Promise<void> | undefined {
    return this.#working?.term.signal.aborted ? this.#working.done.promise : undefined;
  }

  async next(): Promise<IteratorResult<RoleState>> {
    this.#stopWorking();
    if (this.#last?.role === "stopped") return this.return();
    let state = this.#read();
    while (!this.#done && !isNews(state, this.#last)) {
      this.#waiting ??= deferred();
      await this.#waiting.promise;
      this.#waiting = undefined;
      state = this.#read();
    }
    if (this.#done) return this.return();
    this.#last = state;
    if (state.role === "leader" && this.#onWork) {
      this.#working = { term: state.term, done: deferred() };
      this.#onWork(state.term);
    }
    return { value: state, done: false };
  }

  return(): Promise<IteratorResult<RoleState>> {
    const workedFor = this.workingFor;
    this.#done = true;
    this.#stopWorking();
    this.#waiting?.resolve();
    this.#onReturn(workedFor);
    return Promise.resolve({ value: undefined, done: true });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #stopWorking(): void {
    this.#working?.done.resolve();
    this.#working = undefined;
  }
}

/** Whether a reader is told of a state: not of a term for which its body has worked, if only its description changes. */
function isNews(state: RoleState, last: RoleState | undefined): boolean {
  return state !== last && !(state.role === "leader" && last?.role === "leader" && state.term === last.term);
}

/** The timers of this process, and `performance.now()`, which stand still until they are told otherwise. */
export class FakeTime implements Disposable {
  readonly #real = { setTimeout: globalThis.setTimeout, clearTimeout: globalThis.clearTimeout };
  readonly #timers = new Map<number, { readonly at: number; readonly run: () => void }>();
  #now = 1000;
  #last = 0;

  constructor() {
    const set = (run: () => void, delay = 0) => {
      this.#timers.set(++this.#last, { at: this.#now + delay, run });
      return this.#last;
    };
    const clear = (timer: number) => this.#timers.delete(timer);
    Object.assign(globalThis, { setTimeout: set, clearTimeout: clear });
    Object.defineProperty(performance, "now", { configurable: true, value: () => this.#now });
  }

  get now(): number {
    return this.#now;
  }

  /** How many timers there are. */
  get timers(): number {
    return this.#timers.size;
  }

  /** Time passes; what is due happens in its order, and what follows from it. */
  async pass(ms: number): Promise<void> {
    const end = this.#now + ms;
    for (;;) {
      await this.settle();
      const next = [...this.#timers].filter(([, { at }]) => at <= end).toSorted(([, a], [, b]) => a.at - b.at)[0];
      if (!next) break;
      const [timer, { at, run }] = next;
      this.#timers.delete(timer);
      this.#now = Math.max(this.#now, at);
      run();
    }
    this.#now = end;
    await this.settle();
  }

  /** All promises settle that wait for no timer. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => this.#real.setTimeout(resolve, 0));
  }

  [Symbol.dispose](): void {
    Object.assign(globalThis, this.#real);
    Reflect.deleteProperty(performance, "now");
  }
}

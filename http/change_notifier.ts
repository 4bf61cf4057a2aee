/** Tells those who wait that something has changed; each gets the newest when it asks, however slow it is. */
export class ChangeNotifier {
  #version = 0;
  #closed = false;
  readonly #waiting = new Set<() => void>();

  /** Grows with each change. */
  get version(): number {
    return this.#version;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** How many wait now. */
  get waiting(): number {
    return this.#waiting.size;
  }

  changed(): void {
    this.#version++;
    this.#wake();
  }

  /** Nothing more will change. */
  close(): void {
    this.#closed = true;
    this.#wake();
  }

  /** Resolves when the version is another one than `seen`, when the feed is closed, after `ms`, or at the signal. */
  async next(seen: number, ms: number, signal: AbortSignal): Promise<void> {
    if (this.#version !== seen || this.#closed || signal.aborted) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ms);
    this.#waiting.add(resolve);
    const abort = () => resolve();
    signal.addEventListener("abort", abort);
    await promise;
    signal.removeEventListener("abort", abort);
    clearTimeout(timer);
    this.#waiting.delete(resolve);
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
  }
}

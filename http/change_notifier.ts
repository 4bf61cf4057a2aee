import { deferred } from "../election/internal.ts";

/** Wakes waiting readers after a change. A slow reader skips intermediate versions. */
export class ChangeNotifier {
  #version = 0;
  #closed = false;
  readonly #waiting = new Set<() => void>();

  /** Incremented by each change. */
  get version(): number {
    return this.#version;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** The number of waiting readers. */
  get waiting(): number {
    return this.#waiting.size;
  }

  changed(): void {
    this.#version++;
    this.#wake();
  }

  /** Wakes all readers for the last time. */
  close(): void {
    this.#closed = true;
    this.#wake();
  }

  /** Resolves as soon as the version is not `known`, the notifier is closed, `ms` have passed or the signal fires. */
  async next(known: number, ms: number, signal: AbortSignal): Promise<void> {
    if (this.#version !== known || this.#closed || signal.aborted) return;
    const { promise, resolve } = deferred();
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

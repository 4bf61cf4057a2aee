/** How long requests are counted before the gauge is read. */
const WINDOW_MS = 20;
/** A loop that is later than this answers too much; until it is down to the second, it stays so. */
const LATE_MS = 100;
const RECOVERED_MS = 50;
/** With fewer requests in a window, something else is the reason, such as a machine that is busy. */
const MANY_REQUESTS = 50;

/** Notices when requests keep the event loop so busy that timers, and answers of etcd, come late. */
export class LoadGauge {
  #requests = 0;
  #overloaded = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** Counts a request; says whether there are too many at this time. */
  count(): boolean {
    this.#requests++;
    if (this.#timer === undefined) this.#measure();
    return this.#overloaded;
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  #measure(): void {
    const dueAt = performance.now() + WINDOW_MS;
    this.#timer = setTimeout(() => {
      const lateMs = performance.now() - dueAt;
      this.#overloaded = isOverloaded(this.#overloaded, lateMs, this.#requests);
      this.#requests = 0;
      this.#timer = undefined;
      if (this.#overloaded) this.#measure();
    }, WINDOW_MS);
  }
}

/** Whether a loop that was so late, while it answered so many requests, has too much to do. */
export function isOverloaded(before: boolean, lateMs: number, requests: number): boolean {
  return requests >= MANY_REQUESTS && lateMs > (before ? RECOVERED_MS : LATE_MS);
}

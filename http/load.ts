/** How long requests are counted before the gauge is read. */
const WINDOW_MS = 20;
/** With fewer requests in a window, something else is the reason, such as a machine that is busy. */
const MANY_REQUESTS = 50;
/** A loop that is later than this answers too much: a call to etcd takes some turns of it. */
const LATE_MS = 100;
/** The same, as a share of the TTL. */
const LATE_SHARE = 1 / 40;

/** What a request gets: its answer, its answer after a moment, or a refusal. */
export type Verdict = "answer" | "delay" | "refuse";

/** What was seen in a window. */
export interface Load {
  readonly lateMs: number;
  /** Requests that must be answered, such as probes. */
  readonly vital: number;
  readonly others: number;
}

/**
 * Notices when requests keep the event loop so busy that timers, and answers of etcd, come late. While it has no
 * requests it has no timer either.
 */
export class LoadGauge {
  readonly #ttlMs: () => number | undefined;
  #vital = 0;
  #others = 0;
  #verdicts = verdicts(undefined, undefined);
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** `ttlMs` is the TTL of the lease to protect; undefined if there is none. */
  constructor(ttlMs: () => number | undefined) {
    this.#ttlMs = ttlMs;
  }

  /** Counts a request, and says what it gets. */
  count(vital: boolean): Verdict {
    if (vital) this.#vital++;
    else this.#others++;
    if (this.#timer === undefined) this.#measure();
    return vital ? this.#verdicts.vital : this.#verdicts.others;
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  #measure(): void {
    const dueAt = performance.now() + WINDOW_MS;
    this.#timer = setTimeout(() => {
      const load = { lateMs: performance.now() - dueAt, vital: this.#vital, others: this.#others };
      this.#verdicts = verdicts(load, this.#ttlMs(), this.#verdicts.others === "refuse");
      this.#vital = this.#others = 0;
      this.#timer = undefined;
      if (this.#verdicts.others === "refuse") this.#measure();
    }, WINDOW_MS);
  }
}

/** What requests get after a window with this load. What must be answered waits only if it is itself the load. */
export function verdicts(
  load: Load | undefined,
  ttlMs: number | undefined,
  overloaded = false,
): { readonly vital: Verdict; readonly others: Verdict } {
  if (!load || ttlMs === undefined || load.vital + load.others < MANY_REQUESTS) {
    return { vital: "answer", others: "answer" };
  }
  // Whoever is overloaded must recover well before it takes everything again.
  const limit = Math.min(LATE_MS, ttlMs * LATE_SHARE) / (overloaded ? 2 : 1);
  if (load.lateMs <= limit) return { vital: "answer", others: "answer" };
  return { vital: load.vital >= MANY_REQUESTS ? "delay" : "answer", others: "refuse" };
}

/** How long those wait that ask an overloaded node: half a second on average, each another time. */
export function pauseMs(): number {
  return 250 + 500 * Math.random();
}

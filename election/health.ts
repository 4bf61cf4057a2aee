import type { ElectionEvent } from "./events.ts";
import { elapsed, type Instant } from "./machine/clock.ts";
import type { StoreError } from "./store.ts";

/** The two channels to etcd. */
type Channel = "calls" | "watch";

/** Milliseconds between two reports while etcd keeps failing. */
const REPORT_EVERY_MS = 10_000;

/** The number of different causes to report until etcd answers again. */
const MAX_CAUSES = 20;

/**
 * Reports when etcd starts to fail on a channel, when it fails for a cause that was not reported yet, and when both
 * channels work again.
 */
export class Health {
  readonly #report: (event: ElectionEvent) => void;
  /** The latest error of each failing channel, the newest last. */
  readonly #failing = new Map<Channel, StoreError>();
  /** The causes reported since etcd last answered. */
  readonly #causes = new Set<string>();
  #reportedAt: Instant | undefined;
  /** The channels that work, as far as is known. */
  readonly #working = new Set<Channel>();

  constructor(report: (event: ElectionEvent) => void) {
    this.#report = report;
  }

  failed(channel: Channel, error: StoreError, now: Instant): void {
    const { message, closed } = error;
    // Balancers close idle connections. That is worth a report only if the next attempt fails too.
    const harmless = closed && this.#working.has(channel);
    this.#working.delete(channel);
    if (harmless) return;
    this.#failing.delete(channel);
    this.#failing.set(channel, error);
    const isFirst = this.#causes.size === 0;
    if (this.#causes.has(message) || this.#causes.size >= MAX_CAUSES) return;
    if (!isFirst && elapsed(this.#reportedAt!, now) < REPORT_EVERY_MS) return;
    this.#causes.add(message);
    this.#reportedAt = now;
    this.#report({ type: "etcd-failing", message });
  }

  /** The latest error of a failing channel, if any. */
  get error(): string | undefined {
    return [...this.#failing.values()].at(-1)?.message;
  }

  /** An error of a failing channel with which no later attempt can succeed, if there is one. */
  get hopeless(): string | undefined {
    return [...this.#failing.values()].find(({ hopeless }) => hopeless)?.message;
  }

  ok(channel: Channel): void {
    this.#working.add(channel);
    if (!this.#failing.delete(channel) || this.#failing.size > 0) return;
    this.#causes.clear();
    this.#report({ type: "etcd-answers" });
  }
}

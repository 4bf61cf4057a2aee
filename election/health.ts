import type { ElectionEvent } from "./events.ts";
import type { StoreError } from "./store.ts";

/** The two channels to etcd. */
type Channel = "calls" | "watch";

/** Reports when etcd starts to fail on a channel, and when both channels work again. */
export class Health {
  readonly #report: (event: ElectionEvent) => void;
  readonly #failing = new Map<Channel, string>();

  constructor(report: (event: ElectionEvent) => void) {
    this.#report = report;
  }

  failed(channel: Channel, error: StoreError): void {
    if (this.#failing.size === 0) this.#report({ type: "etcd-failing", message: error.message });
    this.#failing.set(channel, error.message);
  }

  /** The error of a failing channel, if any. */
  get error(): string | undefined {
    return this.#failing.values().next().value;
  }

  ok(channel: Channel): void {
    if (this.#failing.delete(channel) && this.#failing.size === 0) this.#report({ type: "etcd-answers" });
  }
}

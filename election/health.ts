import type { ElectionEvent } from "./events.ts";
import type { StoreError } from "./store.ts";

/** The two ways in which a node talks with etcd. */
type Channel = "calls" | "watch";

/** Tells once when etcd begins to fail, and once when all is well again. */
export class Health {
  readonly #tell: (event: ElectionEvent) => void;
  readonly #failing = new Map<Channel, string>();

  constructor(tell: (event: ElectionEvent) => void) {
    this.#tell = tell;
  }

  failed(channel: Channel, error: StoreError): void {
    if (this.#failing.size === 0) this.#tell({ type: "etcd-failing", message: error.message });
    this.#failing.set(channel, error.message);
  }

  /** What fails now. */
  get error(): string | undefined {
    return this.#failing.values().next().value;
  }

  ok(channel: Channel): void {
    if (this.#failing.delete(channel) && this.#failing.size === 0) this.#tell({ type: "etcd-answers" });
  }
}

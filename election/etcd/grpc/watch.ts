import { keyEvent, prefixRange } from "../codec.ts";
import type { Etcd3, IWatchResponse } from "etcd3";
import type { Clock } from "../../machine/clock.ts";
import { firstCallTimeoutMs } from "../../machine/deadline.ts";
import type { WatchHandle, WatchObserver } from "../client.ts";
import { cancelled, silent } from "../errors.ts";

/** A watch on the stream. */
interface Watch {
  readonly id: string;
  readonly request: WatchObserver;
  /** Gives it up, while etcd has not created it. */
  late?: ReturnType<typeof setTimeout>;
  /** Whether all that happens is told. */
  created: boolean;
}

/** A raw watch stream of etcd3. */
export type Stream = Awaited<ReturnType<Etcd3["watchClient"]["watch"]>>;

/** What the stream needs of its client. */
export interface StreamSource {
  /** Opens a raw watch stream. */
  openStream(timeoutMs: number): Promise<Stream>;
  /** Called once the stream's connection is up: the client must be left when that connection is. */
  opened(): Promise<void>;
  /** The stream has failed. */
  failed(reason: Error): void;
}

/**
 * All watches of one client, on one raw stream: etcd3's own watcher loses events when it reconnects twice in a
 * row. The stream is probed as often as the most impatient of them wants.
 */
export class WatchStream {
  readonly #source: StreamSource;
  readonly #clock: Clock;
  readonly #watches = new Map<string, Watch>();
  /** Those that etcd has not created yet, in the order of the requests and so of the answers. */
  readonly #creating: Watch[] = [];
  #stream: Promise<Stream> | undefined;
  #closed = false;
  #lastId = 0;
  #goodbye = false;
  /** The probe under way: told its answer. */
  #probed: (() => void) | undefined;
  /** When the next probe is due, by the monotonic clock. */
  #probeAt = Infinity;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(source: StreamSource, clock: Clock) {
    this.#source = source;
    this.#clock = clock;
  }

  watch(request: WatchObserver): WatchHandle {
    const id = String(++this.#lastId);
    const watch: Watch = { id, request, created: false };
    this.#watches.set(id, watch);
    this.#begin(watch).catch((error) => this.#fail(watch, error));
    return {
      probe: () => this.#probeLater(0),
      close: () => {
        clearTimeout(watch.late);
        if (!this.#watches.delete(id) || this.#closed) return;
        this.#stream?.then((stream) => stream.write({ cancel_request: { watch_id: id } }), () => {});
      },
    };
  }

  /** Ends all watches without a word. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    for (const { late } of this.#watches.values()) clearTimeout(late);
    this.#watches.clear();
    this.#stream?.then((stream) => stream.cancel(), () => {});
  }

  async #begin(watch: Watch): Promise<void> {
    const { prefix, timeoutMs } = watch.request;
    const stream = await (this.#stream ??= this.#open(timeoutMs()));
    if (!this.#watches.has(watch.id)) return;
    watch.late = setTimeout(() => this.#fail(watch, silence()), firstCallTimeoutMs(timeoutMs()));
    this.#creating.push(watch);
    // From now on: etcd 3.5.30 answers no probes for a watch from a revision that is still to come.
    stream.write({ create_request: { ...prefixRange(prefix), watch_id: watch.id } as WatchCreateRequest });
  }

  async #open(timeoutMs: number): Promise<Stream> {
    const stream = await this.#source.openStream(timeoutMs).catch(
      (error) => {
        // The next watch tries again.
        this.#stream = undefined;
        throw error;
      },
    );
    stream.on("data", (response: IWatchResponse) => this.#receive(response));
    stream.on("error", (error) => this.#failAll(error));
    stream.on("end", () => this.#failAll(new Error("14 UNAVAILABLE: the watch stream ended")));
    if (this.#closed) stream.cancel();
    return stream;
  }

  #receive(response: IWatchResponse): void {
    const watch = response.created ? this.#creating.shift() : this.#watches.get(response.watch_id);
    if (response.canceled) {
      if (watch) this.#fail(watch, cancelled(response));
    } else if (response.created) {
      this.#listenForGoodbye();
      if (!watch || !this.#watches.has(watch.id)) return;
      clearTimeout(watch.late);
      watch.created = true;
      watch.request.created();
      this.#probeLater();
    } else if (response.events.length > 0) {
      watch?.request.happened(response.events.map(({ type, kv }) => keyEvent(type.toUpperCase() === "DELETE", kv)));
    } else if (response.watch_id === "-1") {
      // The answer to a probe; other messages without events are etcd's own progress notes.
      this.#probed?.();
    }
  }

  /** The connection stands now: it shall be noticed when it is left. */
  #listenForGoodbye(): void {
    if (this.#goodbye) return;
    this.#goodbye = true;
    this.#source.opened().catch((error) => this.#failAll(error));
  }

  /** Makes sure that a probe comes soon enough for all. */
  #probeLater(within = Infinity): void {
    if (this.#probed || this.#closed) return;
    const { monotonic } = this.#clock.now();
    let wait = within;
    for (const { request } of this.#watches.values()) wait = Math.min(wait, request.probeEveryMs());
    if (monotonic + wait >= this.#probeAt) return;
    this.#probeAt = monotonic + wait;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#probe(), wait);
  }

  async #probe(): Promise<void> {
    this.#probeAt = Infinity;
    const watches = [...this.#watches.values()].filter(({ request }) => request.seen() !== undefined);
    if (watches.length === 0) return;
    const sentAt = this.#clock.now();
    this.#probed = () => {
      this.#probed = undefined;
      clearTimeout(this.#timer);
      for (const { id, request } of watches) if (this.#watches.has(id)) request.alive(sentAt);
      this.#probeLater();
    };
    const patience = Math.min(...watches.map(({ request }) => request.timeoutMs()));
    this.#timer = setTimeout(() => this.#failAll(silence()), patience);
    const stream = await this.#stream!;
    stream.write({ progress_request: {} });
  }

  #fail(watch: Watch, reason: Error): void {
    clearTimeout(watch.late);
    if (this.#watches.delete(watch.id)) watch.request.failed(reason);
  }

  /** The stream is of no use any more, and so is its client. */
  #failAll(reason: Error): void {
    if (!this.#closed) this.#source.failed(reason);
  }
}

type WatchCreateRequest = NonNullable<Parameters<Stream["write"]>[0]["create_request"]>;

function silence(): Error {
  return silent("the watch is silent");
}

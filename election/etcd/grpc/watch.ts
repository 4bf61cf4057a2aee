import { keyEvent, prefixRange } from "../codec.ts";
import type { IWatchResponse, WatchClient } from "etcd3/lib/rpc.js";
import type { Clock } from "../../machine/clock.ts";
import type { WatchHandle, WatchObserver } from "../client.ts";
import { cancelled, connectionClosed, deadlineExceeded, grpcProxyRefused } from "../errors.ts";
import { whenLate } from "../turns.ts";

/** A watch on the stream. */
interface Watch {
  readonly id: string;
  readonly request: WatchObserver;
  /** Fails the watch if etcd does not create it in time. */
  createTimer?: ReturnType<typeof setTimeout>;
}

/** A raw watch stream of etcd3. */
export type Stream = Awaited<ReturnType<WatchClient["watch"]>>;

/** The part of the client that the stream needs. */
export interface StreamSource {
  /** Opens a raw watch stream. */
  openStream(timeoutMs: number): Promise<Stream>;
  /** Called once the stream's connection is established: the client must fail when that connection closes. */
  opened(): void;
  /** The stream has failed. */
  failed(reason: Error): void;
}

/**
 * All watches of one client on one raw stream: etcd3's own watcher loses events if it reconnects twice in a row. The
 * stream is probed at the shortest interval that a watch asks for.
 */
export class WatchStream {
  readonly #source: StreamSource;
  readonly #clock: Clock;
  readonly #watches = new Map<string, Watch>();
  /** Watches that etcd has not created yet, in the order of the requests, which is that of the responses. */
  readonly #creating: Watch[] = [];
  #stream: Promise<Stream> | undefined;
  #closed = false;
  #lastId = 0;
  #connected = false;
  /** Called with the answer to the pending probe. */
  #onProbeAnswer: (() => void) | undefined;
  /** When the next probe is due, on the monotonic clock. */
  #probeAt = Infinity;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(source: StreamSource, clock: Clock) {
    this.#source = source;
    this.#clock = clock;
  }

  watch(request: WatchObserver): WatchHandle {
    const id = String(++this.#lastId);
    const watch: Watch = { id, request };
    this.#watches.set(id, watch);
    this.#create(watch).catch((error) => this.#fail(watch, error));
    return {
      probe: () => this.#probeLater(0),
      close: () => {
        clearTimeout(watch.createTimer);
        if (!this.#watches.delete(id) || this.#closed) return;
        this.#stream?.then((stream) => stream.write({ cancel_request: { watch_id: id } }), () => {});
      },
    };
  }

  /** Ends all watches without callbacks. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    for (const { createTimer } of this.#watches.values()) clearTimeout(createTimer);
    this.#watches.clear();
    this.#stream?.then((stream) => stream.cancel(), () => {});
  }

  async #create(watch: Watch): Promise<void> {
    const { prefix, patience } = watch.request;
    const { firstTimeoutMs } = patience();
    // Connecting and logging in included.
    watch.createTimer = setTimeout(() => this.#fail(watch, timeout()), firstTimeoutMs);
    const stream = await (this.#stream ??= this.#open(firstTimeoutMs));
    if (!this.#watches.has(watch.id)) return;
    this.#creating.push(watch);
    // No start revision: etcd 3.5.30 answers no probes for a watch that starts at a future revision.
    stream.write({ create_request: { ...prefixRange(prefix), watch_id: watch.id } as WatchCreateRequest });
  }

  async #open(timeoutMs: number): Promise<Stream> {
    const stream = await this.#source.openStream(timeoutMs).catch(
      (error) => {
        // Retry with the next watch.
        this.#stream = undefined;
        throw error;
      },
    );
    stream.on("data", (response: IWatchResponse) => this.#receive(response));
    stream.on("error", (error) => this.#failAll(error));
    stream.on("end", () => this.#failAll(connectionClosed("the watch stream ended")));
    if (this.#closed) stream.cancel();
    return stream;
  }

  #receive(response: IWatchResponse): void {
    const watch = response.created ? this.#creating.shift() : this.#watches.get(response.watch_id);
    if (response.canceled) {
      if (watch) this.#fail(watch, cancelled(response));
    } else if (response.created) {
      this.#reportConnected();
      // It would take events of one watch for those of another.
      if (watch?.id !== response.watch_id) return this.#failAll(grpcProxyRefused());
      if (!watch || !this.#watches.has(watch.id)) return;
      clearTimeout(watch.createTimer);
      watch.request.created();
      this.#probeLater();
    } else if (response.events.length > 0) {
      watch?.request.changed(response.events.map(({ type, kv }) => keyEvent(type.toUpperCase() === "DELETE", kv)));
    } else if (response.watch_id === "-1") {
      // The answer to a probe; other messages without events are etcd's own progress notes.
      this.#onProbeAnswer?.();
    }
  }

  /** Reports to the client, once, that the connection is established. */
  #reportConnected(): void {
    if (this.#connected) return;
    this.#connected = true;
    this.#source.opened();
  }

  /** Schedules the next probe: as early as any watch needs it, and within the given milliseconds. */
  #probeLater(within = Infinity): void {
    if (this.#onProbeAnswer || this.#closed) return;
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
    const watches = [...this.#watches.values()].filter(({ request }) => request.known() !== undefined);
    if (watches.length === 0) return;
    const sentAt = this.#clock.now();
    this.#onProbeAnswer = () => {
      this.#onProbeAnswer = undefined;
      clearTimeout(this.#timer);
      for (const { id, request } of watches) if (this.#watches.has(id)) request.alive(sentAt);
      this.#probeLater();
    };
    const timeoutMs = Math.min(...watches.map(({ request }) => request.patience().timeoutMs));
    whenLate(timeoutMs, () => this.#failAll(timeout()), (timer) => this.#timer = timer);
    const stream = await this.#stream!;
    stream.write({ progress_request: {} });
  }

  #fail(watch: Watch, reason: Error): void {
    clearTimeout(watch.createTimer);
    if (this.#watches.delete(watch.id)) watch.request.failed(reason);
  }

  /** The stream has failed, and so has its client. */
  #failAll(reason: Error): void {
    if (!this.#closed) this.#source.failed(reason);
  }
}

type WatchCreateRequest = NonNullable<Parameters<Stream["write"]>[0]["create_request"]>;

function timeout(): Error {
  return deadlineExceeded("the watch was not answered");
}

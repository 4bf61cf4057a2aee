import { Buffer } from "node:buffer";
import type { Etcd3, IWatchResponse } from "etcd3";
import type { Clock } from "./clock.ts";
import { firstCallTimeoutMs } from "./deadline.ts";
import { type Deferred, deferred } from "./deferred.ts";
import { type EtcdClient, storeError } from "./etcd_client.ts";
import { decodeCandidate, type QueueChange, sortQueue } from "./queue.ts";
import type { StoreError, WatchNotice } from "./store.ts";

/** What a watch needs. */
export interface WatchOptions {
  readonly prefix: string;
  /** Milliseconds between two probes of the stream. */
  readonly probeEveryMs: number;
  /** Milliseconds after which a silent etcd is given up. */
  readonly timeoutMs: number;
  readonly notify: (notice: WatchNotice) => void;
}

/** A watch on the stream. */
interface Watch extends WatchOptions {
  readonly id: string;
  readonly created: Deferred<void>;
  /** What came before the list was read; then nothing. */
  early?: IWatchResponse[];
  /** The revision that the list includes. */
  listed: bigint;
}

type Stream = Awaited<ReturnType<Etcd3["watchClient"]["watch"]>>;

/** The range of all keys that begin with `prefix`, which ends with a slash. */
export function prefixRange(prefix: string): { key: Buffer; range_end: Buffer } {
  return { key: Buffer.from(prefix), range_end: Buffer.from(prefix.slice(0, -1) + "0") };
}

/**
 * All watches of one client, on one raw stream: etcd3's own watcher loses events when it reconnects twice in a
 * row. The stream is probed as often as the most impatient of them wants.
 */
export class WatchStream {
  readonly #client: EtcdClient;
  readonly #clock: Clock;
  readonly #onEnd: () => void;
  readonly #watches = new Map<string, Watch>();
  /** Those that etcd has not created yet, in the order of the requests and so of the answers. */
  readonly #creating: Watch[] = [];
  #stream: Promise<Stream> | undefined;
  #ended: Error | undefined;
  #lastId = 0;
  #goodbye = false;
  /** The probe under way: told its answer. */
  #probed: (() => void) | undefined;
  /** When the next probe is due, by the monotonic clock. */
  #probeAt = Infinity;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** `onEnd` is told when the stream ends by itself. */
  constructor(client: EtcdClient, clock: Clock, onEnd: () => void) {
    this.#client = client;
    this.#clock = clock;
    this.#onEnd = onEnd;
  }

  /**
   * Watches a prefix from now on, then lists it, and tells the list and what changed after it, until `lost` or
   * until the returned function is called.
   */
  watch(options: WatchOptions): () => void {
    const id = String(++this.#lastId);
    const watch: Watch = { ...options, id, created: deferred(), early: [], listed: 0n };
    watch.created.promise.catch(() => {});
    this.#watches.set(id, watch);
    this.#begin(watch).catch((error) => this.#fail(watch, error));
    return () => {
      if (!this.#watches.delete(id) || this.#ended) return;
      watch.created.reject(new Error("1 CANCELLED: the watch was closed"));
      this.#stream?.then((stream) => stream.write({ cancel_request: { watch_id: id } }), () => {});
    };
  }

  /** Ends all watches without a word. */
  close(): void {
    const closed = new Error("1 CANCELLED: the watch was closed");
    for (const { created } of this.#watches.values()) created.reject(closed);
    this.#watches.clear();
    this.#end(closed);
  }

  async #begin(watch: Watch): Promise<void> {
    if (this.#ended) throw this.#ended;
    const stream = await (this.#stream ??= this.#open(watch.timeoutMs));
    if (!this.#watches.has(watch.id)) return;
    const patience = firstCallTimeoutMs(watch.timeoutMs);
    const late = setTimeout(() => watch.created.reject(silent()), patience);
    try {
      this.#creating.push(watch);
      // From now on: etcd 3.5.30 answers no probes for a watch from a revision that is still to come.
      stream.write({ create_request: { ...prefixRange(watch.prefix), watch_id: watch.id } });
      await watch.created.promise;
    } finally {
      clearTimeout(late);
    }
    const sentAt = this.#clock.now();
    const { queue, revision } = await list(this.#client, watch);
    if (!this.#watches.has(watch.id)) return;
    watch.notify({ type: "listed", queue, revision, sentAt });
    watch.listed = revision;
    const { early = [] } = watch;
    watch.early = undefined;
    for (const response of early) tell(watch, response);
    watch.notify({ type: "alive", sentAt });
    this.#probeLater();
  }

  async #open(timeoutMs: number): Promise<Stream> {
    const stream = await this.#client.logIn(timeoutMs).then(() => this.#client.etcd.watchClient.watch()).catch(
      (error) => {
        // The next watch tries again.
        this.#stream = undefined;
        throw error;
      },
    );
    stream.on("data", (response: IWatchResponse) => this.#receive(response));
    stream.on("error", (error) => this.#end(error));
    stream.on("end", () => this.#end(new Error("14 UNAVAILABLE: the watch stream ended")));
    if (this.#ended) stream.cancel();
    return stream;
  }

  #receive(response: IWatchResponse): void {
    const watch = response.created ? this.#creating.shift() : this.#watches.get(response.watch_id);
    if (response.canceled) {
      if (watch) this.#fail(watch, cancelled(response));
    } else if (response.created) {
      watch?.created.resolve();
      this.#listenForGoodbye();
    } else if (response.events.length > 0) {
      if (watch?.early) watch.early.push(response);
      else if (watch) tell(watch, response);
    } else if (response.watch_id === "-1") {
      // The answer to a probe; other messages without events are etcd's own progress notes.
      this.#probed?.();
    }
  }

  /** The connection stands now: it shall be noticed when it is left. */
  #listenForGoodbye(): void {
    if (this.#goodbye) return;
    this.#goodbye = true;
    const left = () => this.#end(new Error("14 UNAVAILABLE: etcd closed the connection"));
    this.#client.onLeft("Watch", left).catch((error) => this.#end(error));
  }

  /** Makes sure that a probe comes soon enough for all. */
  #probeLater(): void {
    if (this.#probed || this.#ended) return;
    const { monotonic } = this.#clock.now();
    const wait = Math.min(...[...this.#watches.values()].map(({ probeEveryMs }) => probeEveryMs));
    if (monotonic + wait >= this.#probeAt) return;
    this.#probeAt = monotonic + wait;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#probe(), wait);
  }

  async #probe(): Promise<void> {
    this.#probeAt = Infinity;
    const watches = [...this.#watches.values()].filter(({ early }) => !early);
    if (watches.length === 0) return;
    const sentAt = this.#clock.now();
    this.#probed = () => {
      this.#probed = undefined;
      clearTimeout(this.#timer);
      for (const watch of watches) if (this.#watches.has(watch.id)) watch.notify({ type: "alive", sentAt });
      this.#probeLater();
    };
    this.#timer = setTimeout(() => this.#end(silent()), Math.min(...watches.map(({ timeoutMs }) => timeoutMs)));
    const stream = await this.#stream!;
    stream.write({ progress_request: {} });
  }

  /** One watch has failed; if etcd was not reached, all have. */
  #fail(watch: Watch, reason: Error): void {
    if (!this.#watches.has(watch.id)) return;
    const error = storeError(reason, this.#client.endpoint);
    if (error.failure === "unreachable" && !(reason instanceof CompactedError)) this.#end(reason);
    this.#lose(watch, error);
  }

  #lose(watch: Watch, error: StoreError): void {
    if (!this.#watches.delete(watch.id)) return;
    watch.created.reject(error);
    watch.notify({ type: "lost", error });
  }

  #end(reason: Error): void {
    if (this.#ended) return;
    this.#ended = reason;
    clearTimeout(this.#timer);
    this.#stream?.then((stream) => stream.cancel(), () => {});
    this.#onEnd();
    for (const watch of this.#watches.values()) this.#lose(watch, storeError(reason, this.#client.endpoint));
  }
}

/** Reads the whole prefix, and gives the revision at which it was so. */
async function list({ etcd }: EtcdClient, { prefix, timeoutMs }: Watch) {
  const { kvs, header } = await etcd.kv.range(prefixRange(prefix), { deadline: Date.now() + timeoutMs });
  const queue = sortQueue(kvs.map((kv) => decodeCandidate(kv.key.toString(), BigInt(kv.create_revision), kv.value)));
  return { queue, revision: BigInt(header.revision) };
}

/** Tells what changed after the list, one revision at a time: what was so only for a moment is told too. */
function tell({ listed, notify }: Watch, response: IWatchResponse): void {
  const events = response.events.filter(({ kv }) => BigInt(kv.mod_revision) > listed);
  for (let from = 0, to = 0; from < events.length; from = to) {
    while (events[to]?.kv.mod_revision === events[from]!.kv.mod_revision) to++;
    notify(changesOf(events.slice(from, to)));
  }
}

function silent(): Error {
  return new Error("4 DEADLINE_EXCEEDED: the watch is silent");
}

/** What a watch would have told is not kept any more. */
class CompactedError extends Error {}

function cancelled({ compact_revision, cancel_reason }: IWatchResponse): Error {
  if (compact_revision !== "0") return new CompactedError("the watch was cancelled: its revision was compacted");
  return new Error(`the watch was cancelled: ${cancel_reason}`);
}

function changesOf(events: IWatchResponse["events"]): WatchNotice {
  const changes = events.map(({ type, kv }): QueueChange => {
    const key = kv.key.toString();
    return type.toUpperCase() === "DELETE"
      ? { type: "delete", key }
      : { type: "put", candidate: decodeCandidate(key, BigInt(kv.create_revision), kv.value) };
  });
  return { type: "changed", changes, revision: BigInt(events.at(-1)!.kv.mod_revision) };
}

import { candidateOf } from "./codec.ts";
import { listQueue, readValues } from "./list.ts";
import type { Clock, Instant } from "../machine/clock.ts";
import type { EtcdClient, KeyEvent, Patience, WatchHandle } from "./client.ts";
import { CompactedError } from "./errors.ts";
import { applyChanges, type Candidate, type Queue } from "../machine/queue.ts";
import type { CloseWatch, StoreError, StoreNotice } from "../store.ts";

/** The number of candidates at the head of the queue whose values are read in any case. */
const READ_AHEAD = 100;

/** A subscriber to the queue of a prefix. */
export interface QueueReader {
  readonly prefix: string;
  /** The reader's own key, if it has one: its value is read wherever it stands. */
  readonly ownKey?: () => string | undefined;
  /** Milliseconds between two probes. */
  readonly probeEveryMs: number;
  /** How long to wait for etcd. */
  readonly patience: Patience;
  readonly notify: (notice: StoreNotice) => void;
}

/** Opens the client for the watches; `onLeft` is called when it must be replaced. */
export type OpenClient = (onLeft: (reason: Error) => void) => Promise<EtcdClient>;

/** Callbacks to the owner of a pool. */
export interface PoolObserver {
  /** What an error means to the readers. */
  failure(error: Error): StoreError;
  /** etcd has confirmed a watch. */
  answered(): void;
  /** etcd has refused a watch; returns whether the pool should end, so that another endpoint is tried. */
  refused(error: StoreError): boolean;
  /** The client has failed; the pool has ended. */
  ended(): void;
}

/** The watches over one client. All readers of a prefix share one watch, so that its events are processed once. */
export class QueueWatchPool {
  readonly #connect: OpenClient;
  readonly #clock: Clock;
  readonly #observer: PoolObserver;
  /** Watches that new readers may join, by prefix. */
  readonly #open = new Map<string, QueueWatch>();
  readonly #all = new Set<QueueWatch>();
  #client: Promise<EtcdClient> | undefined;
  #ended: Error | undefined;

  constructor(connect: OpenClient, clock: Clock, observer: PoolObserver) {
    this.#connect = connect;
    this.#clock = clock;
    this.#observer = observer;
  }

  /** Reports the queue and then each change, until `lost` or until the returned function is called. */
  watch(reader: QueueReader): CloseWatch {
    const { prefix } = reader;
    const watch = this.#open.get(prefix) ?? this.#start(prefix);
    watch.join(reader);
    return (because) => {
      watch.leave(reader);
      const unused = watch.readers.size === 0;
      if ((because === "doubted" || unused) && this.#open.get(prefix) === watch) this.#open.delete(prefix);
      if (unused && this.#all.delete(watch)) watch.close();
    };
  }

  /** Ends all watches without notifying their readers. */
  close(): void {
    for (const watch of this.#all) watch.readers.clear();
    this.#end(new Error("1 CANCELLED: the watch was closed"));
  }

  #start(prefix: string): QueueWatch {
    const watch = new QueueWatch(prefix, this.#clock, {
      alive: () => this.#observer.answered(),
      failed: (reason) => this.#fail(watch, reason),
    });
    this.#open.set(prefix, watch);
    this.#all.add(watch);
    this.#client ??= this.#connect((reason) => this.#end(reason));
    this.#client.then((client) => {
      if (this.#ended) throw this.#ended;
      watch.start(client);
    }).catch((error) => this.#fail(watch, error));
    return watch;
  }

  /** One watch has failed; all have if etcd cannot be reached. */
  #fail(watch: QueueWatch, reason: Error): void {
    if (!this.#all.has(watch)) return;
    const error = this.#observer.failure(reason);
    const unreachable = error.failure === "unreachable" && !(reason instanceof CompactedError);
    if (unreachable || this.#observer.refused(error)) this.#end(reason);
    this.#lose(watch, error);
  }

  #end(reason: Error): void {
    if (this.#ended) return;
    this.#ended = reason;
    this.#client?.then((client) => client.close(), () => {});
    // First, as a reader may open the next watch as soon as it is notified.
    this.#observer.ended();
    for (const watch of this.#all) this.#lose(watch, this.#observer.failure(reason));
  }

  #lose(watch: QueueWatch, error: StoreError): void {
    if (!this.#all.delete(watch)) return;
    if (this.#open.get(watch.prefix) === watch) this.#open.delete(watch.prefix);
    watch.close();
    watch.notify({ type: "lost", error });
  }
}

/** Callbacks of a watch to its pool. */
interface QueueWatchObserver {
  /** etcd has confirmed the watch. */
  alive(): void;
  /** The watch has ended. */
  failed(reason: Error): void;
}

/** A watch on one prefix and its readers. */
class QueueWatch {
  readonly prefix: string;
  readonly readers = new Set<QueueReader>();
  readonly #clock: Clock;
  readonly #observer: QueueWatchObserver;
  /** Events received before the list; undefined afterwards. */
  #early: KeyEvent[] | undefined = [];
  #queue: Queue = [];
  #revision = 0n;
  /** The keys whose values have not been read. */
  readonly #unread = new Set<string>();
  #reading = false;
  /** The latest time at which etcd is known to have had this queue. */
  #contact: Instant | undefined;
  #source: WatchHandle | undefined;
  #closed = false;

  constructor(prefix: string, clock: Clock, observer: QueueWatchObserver) {
    this.prefix = prefix;
    this.#clock = clock;
    this.#observer = observer;
  }

  join(reader: QueueReader): void {
    this.readers.add(reader);
    if (!this.#contact) return;
    queueMicrotask(() => {
      if (!this.readers.has(reader)) return;
      const sentAt = this.#contact!;
      reader.notify({ type: "listed", queue: this.#queue, revision: this.#revision, sentAt });
      reader.notify({ type: "alive", sentAt });
    });
    // Its timeout may be shorter than the others'.
    this.#source?.probe();
  }

  leave(reader: QueueReader): void {
    this.readers.delete(reader);
  }

  start(client: EtcdClient): void {
    if (this.#closed) return;
    this.#source = client.watch({
      prefix: this.prefix,
      probeEveryMs: () => this.#minOf(({ probeEveryMs }) => probeEveryMs),
      patience: () => this.#patience(),
      known: () => this.#early ? undefined : { count: this.#queue.length, revision: this.#revision },
      created: () => this.#list(client).catch(this.#observer.failed),
      changed: (events) => this.#receive(client, events),
      alive: (sentAt) => this.#alive(sentAt),
      failed: this.#observer.failed,
    });
  }

  close(): void {
    this.#closed = true;
    this.#source?.close();
  }

  notify(notice: StoreNotice): void {
    // Not to readers that join meanwhile: `join` notifies them.
    for (const reader of [...this.readers]) if (this.readers.has(reader)) reader.notify(notice);
  }

  /** The patience of the most impatient reader. */
  #patience(): Patience {
    return {
      timeoutMs: this.#minOf(({ patience }) => patience.timeoutMs),
      firstTimeoutMs: this.#minOf(({ patience }) => patience.firstTimeoutMs),
    };
  }

  #minOf(read: (reader: QueueReader) => number): number {
    let min = Infinity;
    for (const reader of this.readers) min = Math.min(min, read(reader));
    return min;
  }

  #alive(sentAt: Instant): void {
    this.#contact = sentAt;
    this.#observer.alive();
    this.notify({ type: "alive", sentAt });
  }

  /** Reads the whole prefix. */
  async #list(client: EtcdClient): Promise<void> {
    const sentAt = this.#clock.now();
    const { queue, revision, unread } = await listQueue(client, this.prefix, this.#listPatience());
    if (this.#closed) return;
    this.#queue = queue;
    this.#revision = revision;
    this.#contact = sentAt;
    for (const key of unread) this.#unread.add(key);
    this.notify({ type: "listed", queue: this.#queue, revision: this.#revision, sentAt });
    const early = this.#early!;
    this.#early = undefined;
    this.#apply(early);
    this.#alive(sentAt);
    this.#readWanted(client).catch(this.#observer.failed);
    // No probe was sent before; readers that joined meanwhile may have a shorter timeout.
    this.#source?.probe();
  }

  #receive(client: EtcdClient, events: readonly KeyEvent[]): void {
    if (this.#early) {
      for (const event of events) this.#early.push(event);
      return;
    }
    this.#apply(events);
    this.#readWanted(client).catch(this.#observer.failed);
  }

  #apply(events: readonly KeyEvent[]): void {
    // Skip events that the list already includes.
    const newer = events.filter(({ revision }) => revision > this.#revision);
    for (const { change } of newer) this.#unread.delete(change.type === "put" ? change.candidate.key : change.key);
    const stages = stagesOf(this.#queue, newer);
    for (const { queue, revision } of stages) {
      [this.#queue, this.#revision] = [queue, revision];
      this.notify({ type: "changed", queue, revision, more: revision !== stages.at(-1)!.revision });
    }
  }

  /** Keys whose values the list has left out: of candidates that come near the head of the queue, and of readers. */
  #wanted(): string[] {
    if (this.#unread.size === 0) return [];
    const ahead = this.#unread.has(this.#queue[0]?.key ?? "") ? this.#queue.slice(0, READ_AHEAD) : [];
    const own = [...this.readers].flatMap(({ ownKey }) => ownKey?.() ?? []);
    return [...new Set([...ahead.map(({ key }) => key), ...own])].filter((key) => this.#unread.has(key));
  }

  async #readWanted(client: EtcdClient): Promise<void> {
    const keys = this.#wanted();
    if (this.#reading || keys.length === 0) return;
    this.#reading = true;
    const found = new Map<string, Candidate>();
    await readValues(client, keys, this.#listPatience(), (kv) => {
      const candidate = candidateOf(kv);
      found.set(candidate.key, candidate);
    });
    this.#reading = false;
    if (this.#closed) return;
    // Those that have changed meanwhile are told by the watch.
    this.#queue = this.#queue.map((before) => {
      const candidate = this.#unread.has(before.key) ? found.get(before.key) : undefined;
      return candidate?.token === before.token ? candidate : before;
    });
    for (const key of keys) this.#unread.delete(key);
    this.notify({ type: "changed", queue: this.#queue, revision: this.#revision });
    await this.#readWanted(client);
  }

  /** Answers may be long. */
  #listPatience(): Patience {
    const { firstTimeoutMs } = this.#patience();
    return { timeoutMs: firstTimeoutMs, firstTimeoutMs };
  }
}

/** A queue as it was at a revision. */
interface Stage {
  readonly queue: Queue;
  readonly revision: bigint;
}

/**
 * The queues to report for these events: the last one, and each with another leader before it, so that no leader is
 * skipped, however short its leadership was.
 */
export function stagesOf(queue: Queue, events: readonly KeyEvent[]): Stage[] {
  const stages: Stage[] = [];
  for (let from = 0, to = 0; from < events.length; from = to) {
    const { revision } = events[from]!;
    while (events[to]?.revision === revision) to++;
    const next = applyChanges(queue, events.slice(from, to).map(({ change }) => change));
    if (stages.length > 0 && next[0] === queue[0]) stages.pop();
    stages.push({ queue: next, revision });
    queue = next;
  }
  return stages;
}

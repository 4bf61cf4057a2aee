import { decodeCandidate, keyText, prefixRange } from "./codec.ts";
import type { Clock, Instant } from "../machine/clock.ts";
import type { EtcdClient, KeyEvent, WatchHandle } from "./client.ts";
import { CompactedError, storeError } from "./errors.ts";
import { applyChanges, type Queue, sortQueue } from "../machine/queue.ts";
import type { CloseWatch, StoreError, StoreNotice } from "../store.ts";

/** What somebody who watches a prefix needs. */
export interface QueueReader {
  readonly prefix: string;
  /** Milliseconds between two probes. */
  readonly probeEveryMs: number;
  /** Milliseconds after which a silent etcd is given up. */
  readonly timeoutMs: number;
  readonly notify: (notice: StoreNotice) => void;
}

/** What opens the client of the watches; it calls back when that is of no use any more. */
export type OpenClient = (onLeft: (reason: Error) => void) => Promise<EtcdClient>;

/** The watches over one client. All who watch the same prefix share one, and what it tells is read once. */
export class QueueWatchPool {
  readonly #endpoint: string;
  readonly #connect: OpenClient;
  readonly #clock: Clock;
  readonly #onEnd: () => void;
  /** Those that whoever comes joins, by prefix. */
  readonly #open = new Map<string, QueueWatch>();
  readonly #all = new Set<QueueWatch>();
  #client: Promise<EtcdClient> | undefined;
  #ended: Error | undefined;

  /** `onEnd` is told when the client is of no use any more. */
  constructor(endpoint: string, connect: OpenClient, clock: Clock, onEnd: () => void) {
    this.#endpoint = endpoint;
    this.#connect = connect;
    this.#clock = clock;
    this.#onEnd = onEnd;
  }

  /** Tells the queue, and then each change, until `lost` or until the returned function is called. */
  watch(reader: QueueReader): CloseWatch {
    const { prefix } = reader;
    const watch = this.#open.get(prefix) ?? this.#start(prefix);
    watch.join(reader);
    return (because) => {
      watch.leave(reader);
      const forsaken = watch.readers.size === 0;
      if ((because === "doubted" || forsaken) && this.#open.get(prefix) === watch) this.#open.delete(prefix);
      if (forsaken && this.#all.delete(watch)) watch.close();
    };
  }

  /** Ends all watches without a word. */
  close(): void {
    for (const watch of this.#all) watch.readers.clear();
    this.#end(new Error("1 CANCELLED: the watch was closed"));
  }

  #start(prefix: string): QueueWatch {
    const watch = new QueueWatch(prefix, this.#clock, (reason) => this.#fail(watch, reason));
    this.#open.set(prefix, watch);
    this.#all.add(watch);
    this.#client ??= this.#connect((reason) => this.#end(reason));
    this.#client.then((client) => {
      if (this.#ended) throw this.#ended;
      watch.begin(client);
    }).catch((error) => this.#fail(watch, error));
    return watch;
  }

  /** One watch has failed; if etcd was not reached, all have. */
  #fail(watch: QueueWatch, reason: Error): void {
    if (!this.#all.has(watch)) return;
    const error = storeError(reason, this.#endpoint);
    if (error.failure === "unreachable" && !(reason instanceof CompactedError)) this.#end(reason);
    this.#lose(watch, error);
  }

  #end(reason: Error): void {
    if (this.#ended) return;
    this.#ended = reason;
    this.#client?.then((client) => client.close(), () => {});
    // Who is told that it is lost may want the next one at once.
    this.#onEnd();
    for (const watch of this.#all) this.#lose(watch, storeError(reason, this.#endpoint));
  }

  #lose(watch: QueueWatch, error: StoreError): void {
    if (!this.#all.delete(watch)) return;
    if (this.#open.get(watch.prefix) === watch) this.#open.delete(watch.prefix);
    watch.close();
    watch.tell({ type: "lost", error });
  }
}

/** A watch on one prefix, and all who want to know what it tells. */
class QueueWatch {
  readonly prefix: string;
  readonly readers = new Set<QueueReader>();
  readonly #clock: Clock;
  readonly #fail: (reason: Error) => void;
  /** What came before the list was read; then nothing. */
  #early: KeyEvent[] | undefined = [];
  #queue: Queue = [];
  #revision = 0n;
  /** When all of it was surely so. */
  #contact: Instant | undefined;
  #source: WatchHandle | undefined;
  #closed = false;

  constructor(prefix: string, clock: Clock, fail: (reason: Error) => void) {
    this.prefix = prefix;
    this.#clock = clock;
    this.#fail = fail;
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
    // It may be more impatient than the others.
    this.#source?.probe();
  }

  leave(reader: QueueReader): void {
    this.readers.delete(reader);
  }

  begin(client: EtcdClient): void {
    if (this.#closed) return;
    this.#source = client.watch({
      prefix: this.prefix,
      probeEveryMs: () => this.#least("probeEveryMs"),
      timeoutMs: () => this.#least("timeoutMs"),
      seen: () => this.#early ? undefined : { count: this.#queue.length, revision: this.#revision },
      created: () => this.#list(client).catch(this.#fail),
      happened: (events) => this.#early ? this.#early.push(...events) : this.#apply(events),
      alive: (sentAt) => this.#alive(sentAt),
      failed: this.#fail,
    });
  }

  close(): void {
    this.#closed = true;
    this.#source?.close();
  }

  tell(notice: StoreNotice): void {
    // Who comes meanwhile is told all of it by itself.
    for (const reader of [...this.readers]) if (this.readers.has(reader)) reader.notify(notice);
  }

  #least(what: "probeEveryMs" | "timeoutMs"): number {
    let least = Infinity;
    for (const reader of this.readers) least = Math.min(least, reader[what]);
    return least;
  }

  #alive(sentAt: Instant): void {
    this.#contact = sentAt;
    this.tell({ type: "alive", sentAt });
  }

  /** Reads the whole prefix. */
  async #list(client: EtcdClient): Promise<void> {
    const sentAt = this.#clock.now();
    const { kvs, header } = await client.range(prefixRange(this.prefix), this.#least("timeoutMs"));
    if (this.#closed) return;
    this.#queue = sortQueue(
      kvs.map(({ key, create_revision, value }) => decodeCandidate(keyText(key), BigInt(create_revision), value)),
    );
    this.#revision = BigInt(header.revision);
    this.#contact = sentAt;
    this.tell({ type: "listed", queue: this.#queue, revision: this.#revision, sentAt });
    const early = this.#early!;
    this.#early = undefined;
    this.#apply(early);
    this.tell({ type: "alive", sentAt });
    // No probe was sent before; whoever has joined meanwhile may be more impatient than the first.
    this.#source?.probe();
  }

  #apply(events: readonly KeyEvent[]): void {
    // What the list has told already may come later than the list.
    const news = events.filter(({ revision }) => revision > this.#revision);
    for (const { queue, revision } of stagesOf(this.#queue, news)) {
      [this.#queue, this.#revision] = [queue, revision];
      this.tell({ type: "changed", queue, revision });
    }
  }
}

/** A queue as it was at a revision. */
interface Stage {
  readonly queue: Queue;
  readonly revision: bigint;
}

/** The queue after these events, and before that each in which a leader stood: all are told, however short its time was. */
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

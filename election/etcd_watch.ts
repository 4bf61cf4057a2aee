import { Buffer } from "node:buffer";
import type { IWatchResponse } from "etcd3";
import type { Clock } from "./clock.ts";
import { firstCallTimeoutMs } from "./deadline.ts";
import type { EtcdClient } from "./etcd_client.ts";
import { decodeCandidate, type QueueChange, sortQueue } from "./queue.ts";
import type { WatchNotice } from "./store.ts";

/** What a watch needs. */
export interface WatchOptions {
  readonly client: EtcdClient;
  readonly prefix: string;
  /** Milliseconds between two probes of the stream. */
  readonly probeEveryMs: number;
  /** Milliseconds after which a silent etcd is given up. */
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly notify: (notice: WatchNotice) => void;
  /** Ends the watch. */
  readonly signal: AbortSignal;
}

/** The range of all keys that begin with `prefix`, which ends with a slash. */
export function prefixRange(prefix: string): { key: Buffer; range_end: Buffer } {
  return { key: Buffer.from(prefix), range_end: Buffer.from(prefix.slice(0, -1) + "0") };
}

/**
 * Watches the prefix from now on, then lists it, and tells the list and what changed after it. On the raw
 * stream: etcd3's own watcher loses events when it reconnects twice in a row. It never resolves; it rejects
 * when the watch is lost.
 */
export async function watchPrefix(options: WatchOptions): Promise<never> {
  const { client, clock, notify, signal, probeEveryMs, timeoutMs } = options;
  await client.logIn(timeoutMs);
  const stream = await client.etcd.watchClient.watch();
  const { promise: lost, reject } = Promise.withResolvers<never>();
  lost.catch(() => {});
  let silence: ReturnType<typeof setTimeout> | undefined;
  let nextProbe: ReturnType<typeof setTimeout> | undefined;
  let askedAt = clock.now();
  const ask = (request: Parameters<typeof stream.write>[0], patience = timeoutMs) => {
    askedAt = clock.now();
    silence = setTimeout(() => reject(new Error("4 DEADLINE_EXCEEDED: the watch is silent")), patience);
    stream.write(request);
  };
  const answered = () => {
    clearTimeout(silence);
    notify({ type: "alive", sentAt: askedAt });
    nextProbe = setTimeout(() => ask({ progress_request: {} }), probeEveryMs);
  };
  stream.on("error", reject);
  stream.on("end", () => reject(new Error("14 UNAVAILABLE: the watch stream ended")));
  const created = Promise.withResolvers<void>();
  /** What came before the list was read; then, the revision that the list includes. */
  let early: IWatchResponse[] | undefined = [];
  let listed = 0n;
  const tell = (response: IWatchResponse) => {
    const events = response.events.filter(({ kv }) => BigInt(kv.mod_revision) > listed);
    // One revision at a time: what was so only for a moment is told too.
    for (let from = 0, to = 0; from < events.length; from = to) {
      while (events[to]?.kv.mod_revision === events[from]!.kv.mod_revision) to++;
      notify(changesOf(events.slice(from, to)));
    }
  };
  stream.on("data", (response: IWatchResponse) => {
    if (response.canceled) reject(cancelled(response));
    else if (response.created) created.resolve();
    else if (response.events.length > 0) early ? early.push(response) : tell(response);
    // -1 is the answer to a probe; other messages without events are etcd's own progress notes.
    else if (response.watch_id === "-1") answered();
  });
  const abort = () => reject(signal.reason);
  signal.addEventListener("abort", abort);
  try {
    signal.throwIfAborted();
    // From now on: etcd 3.5.30 answers no probes for a watch from a revision that is still to come.
    ask({ create_request: prefixRange(options.prefix) }, firstCallTimeoutMs(timeoutMs));
    await Promise.race([created.promise, lost]);
    clearTimeout(silence);
    listed = await Promise.race([list(options), lost]);
    for (const response of early) tell(response);
    early = undefined;
    await client.onLeft("Watch", () => reject(new Error("14 UNAVAILABLE: etcd closed the connection")));
    answered();
    return await lost;
  } finally {
    clearTimeout(silence);
    clearTimeout(nextProbe);
    signal.removeEventListener("abort", abort);
    stream.cancel();
  }
}

/** Reads the whole prefix, tells it, and gives the revision at which it was so. */
async function list({ client: { etcd }, prefix, clock, timeoutMs, notify, signal }: WatchOptions): Promise<bigint> {
  const sentAt = clock.now();
  const { kvs, header } = await etcd.kv.range(prefixRange(prefix), { deadline: Date.now() + timeoutMs });
  signal.throwIfAborted();
  const queue = sortQueue(kvs.map((kv) => decodeCandidate(kv.key.toString(), BigInt(kv.create_revision), kv.value)));
  const revision = BigInt(header.revision);
  notify({ type: "listed", queue, revision, sentAt });
  return revision;
}

function cancelled({ compact_revision, cancel_reason }: IWatchResponse): Error {
  const reason = compact_revision === "0" ? cancel_reason : "its revision was compacted";
  return new Error(`14 UNAVAILABLE: the watch was cancelled: ${reason}`);
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

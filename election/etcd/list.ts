import { candidateOf, keyBytes, keyText, prefixRange } from "./codec.ts";
import type { EtcdClient, KeyValue, Patience, RangeRequest } from "./client.ts";
import { InvalidAnswerError } from "./errors.ts";
import { type Queue, sortQueue } from "../machine/queue.ts";

/** The number of keys to read at once. */
const KEYS_PAGE = 5000;

/** More keys than any election has. */
const MAX_KEYS = 1_000_000;

/** The number of values to read together with the first keys: a usual queue takes a single request. */
const FIRST_VALUES = 5;

/** The number of values to read at once: less than the operations that etcd allows in a transaction. */
const MAX_VALUES_PAGE = 100;

/** Values are read for no more candidates than these, the first of the queue, and for no more bytes. */
const MAX_VALUES = 1000;
const MAX_VALUES_BYTES = 4 * 1024 * 1024;

/** The size of an answer from which fewer values are read at once, and up to which more are. */
const LARGE_PAGE_BYTES = 2 * 1024 * 1024;
const SMALL_PAGE_BYTES = 256 * 1024;

/** Keys of candidates end with the id of a lease. */
const CANDIDATE_KEY = /\/[0-9a-f]{8,16}$/;

/** The queue of a prefix. */
export interface QueueList {
  readonly queue: Queue;
  readonly revision: bigint;
  /** The keys whose values have not been read: their candidates are named after their keys. */
  readonly unread: ReadonlySet<string>;
}

/** Reads the queue of a prefix, the keys first: others may have written many or large values. */
export async function listQueue(client: EtcdClient, prefix: string, patience: Patience): Promise<QueueList> {
  const range = prefixRange(prefix);
  const keysOnly = { ...range, keys_only: true, limit: KEYS_PAGE };
  const { revision, ranges } = await client.ranges([keysOnly, { ...range, limit: FIRST_VALUES }], patience);
  const [first, values] = [ranges[0]!, ranges[1]!];
  const keys = [...first.kvs];
  for (let last = keys.at(-1); last && keys.length < Number(first.count); last = keys.at(-1)) {
    const key = new Uint8Array([...last.key, 0]);
    const page = await client.range({ ...keysOnly, key, revision: String(revision) }, patience);
    if (page.kvs.length === 0) break;
    for (const kv of page.kvs) keys.push(kv);
    if (keys.length > MAX_KEYS) throw new InvalidAnswerError(`more than ${MAX_KEYS} keys under one prefix`);
  }
  const byKey = new Map(keys.map((kv) => [keyText(kv.key), candidateOf(kv)]));
  const unread = new Set(byKey.keys());
  const take = (kv: KeyValue) => {
    const candidate = candidateOf(kv);
    byKey.set(candidate.key, candidate);
    unread.delete(candidate.key);
  };
  values.kvs.forEach(take);
  const wanted = sortQueue(byKey.values()).slice(0, MAX_VALUES).map(({ key }) => key).filter((key) => unread.has(key));
  // Large values of other keys must not use up what there is for candidates.
  for (const isCandidate of [true, false]) {
    const some = wanted.filter((key) => CANDIDATE_KEY.test(key) === isCandidate);
    await readValues(client, some, patience, take, String(revision));
  }
  return { queue: sortQueue(byKey.values()), revision, unread };
}

/** Reads the values of these keys, as long as they are not too large altogether. */
export async function readValues(
  client: EtcdClient,
  keys: readonly string[],
  patience: Patience,
  take: (kv: KeyValue) => void,
  revision?: string,
): Promise<void> {
  let left = MAX_VALUES_BYTES;
  let size = FIRST_VALUES;
  for (let from = 0; from < keys.length && left > 0;) {
    const requests = keys.slice(from, from + size).map((key): RangeRequest => ({ key: keyBytes(key), revision }));
    const { ranges } = await client.ranges(requests, patience);
    let bytes = 0;
    for (const { kvs } of ranges) {
      for (const kv of kvs) {
        bytes += kv.value.length;
        take(kv);
      }
    }
    from += size;
    left -= bytes;
    if (bytes < SMALL_PAGE_BYTES) size = Math.min(MAX_VALUES_PAGE, 2 * size);
    if (bytes > LARGE_PAGE_BYTES) size = Math.max(1, size >> 1);
  }
}

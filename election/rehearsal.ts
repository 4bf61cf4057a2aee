import { decodeCandidate, encodeCandidate, encodeSuccessor, keyBytes, keyEvent, keyText } from "./etcd/codec.ts";
import type {
  EtcdClient,
  KeyValue,
  LeaseAnswer,
  RangeAnswer,
  RangesAnswer,
  TxnAnswer,
  TxnRequest,
  WatchHandle,
  WatchObserver,
} from "./etcd/client.ts";
import { QueueWatchPool } from "./etcd/queue_watch.ts";
import { storeError } from "./etcd/errors.ts";
import { EtcdStore } from "./etcd/store.ts";
import { systemClock } from "./machine/clock.ts";
import { Participant } from "./participant.ts";

/** The first one is not to delay the start of a process. */
const FIRST_MS = 300;
/** How long one may take. */
const LIMIT_MS = 10_000;
/** V8 forgets the code of functions that were not called for a while. */
const EVERY_MS = 60_000;

const PREFIX = "rehearsal/";
const TTL_MS = 60_000;
const [LEADER, SELF, LAST] = [keyOf(2), keyOf(3), keyOf(4)];

/**
 * Rehearses a handoff now and then, as long as an election runs. Code that runs for the first time must be compiled,
 * which at a handoff would take longer than all the rest. All elections of a process share the rehearsals.
 */
export class Rehearsals {
  static #lastAt = -Infinity;
  #timer = setTimeout(() => this.#run(), FIRST_MS);
  #running: Promise<void> | undefined;

  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#running;
  }

  #run(): void {
    this.#timer = setTimeout(() => this.#run(), EVERY_MS);
    if (performance.now() - Rehearsals.#lastAt < EVERY_MS / 2) return;
    Rehearsals.#lastAt = performance.now();
    // Whatever goes wrong with it, the election goes on.
    this.#running = rehearse().then(() => {}, () => {});
  }
}

/** Rehearses while something runs. */
export async function rehearsing<T>(run: Promise<T>): Promise<T> {
  const rehearsals = new Rehearsals();
  try {
    return await run;
  } finally {
    await rehearsals.stop();
  }
}

/**
 * A candidate waits, is handed the leadership, and hands it over: by the real code, with an etcd that is made up. Gives
 * the candidate's roles and its transactions.
 */
export async function rehearse(limitMs = LIMIT_MS): Promise<{ roles: string[]; transactions: readonly TxnRequest[] }> {
  const self = { id: "rehearsal", url: "http://localhost" };
  const etcd = new RehearsedEtcd();
  const watches = new QueueWatchPool(() => Promise.resolve(etcd), systemClock, {
    failure: (error) => storeError(error, ""),
    answered() {},
    refused: () => false,
    ended() {},
  });
  const link = { call: <T>(run: (client: EtcdClient) => Promise<T>) => run(etcd), watch: watches.watch.bind(watches) };
  // If the machine sleeps meanwhile, the candidate loses its place, and is handed nothing any more.
  const late = setTimeout(() => participant.stop(), limitMs);
  const participant = new Participant({
    settings: { candidate: true, self, prefix: PREFIX, ttlMs: TTL_MS },
    store: new EtcdStore({ prefix: PREFIX, self, ttlMs: TTL_MS }, link),
  });
  const roles: string[] = [];
  for await (const state of participant) {
    roles.push(state.role);
    // It needs the answers to what it has just asked.
    if (state.role === "follower") setTimeout(() => etcd.handOver());
    if (state.role !== "leader") continue;
    // To call listeners is code, too.
    state.term.signal.addEventListener("abort", () => {});
    participant.stop();
  }
  clearTimeout(late);
  watches.close();
  return { roles, transactions: etcd.transactions };
}

/** An etcd that answers as if the candidate were the second in the queue, and then the first. */
class RehearsedEtcd implements EtcdClient {
  readonly endpoint = "";
  readonly transactions: TxnRequest[] = [];
  #queue = [LEADER, SELF, LAST];
  #watch: WatchObserver | undefined;

  grant(ttlSeconds: number): Promise<LeaseAnswer> {
    return Promise.resolve({ ID: SELF.lease, TTL: String(ttlSeconds) });
  }

  renew(leaseId: string): Promise<LeaseAnswer> {
    return Promise.resolve({ ID: leaseId, TTL: String(TTL_MS / 1000) });
  }

  revoke(): Promise<void> {
    return Promise.resolve();
  }

  txn(request: TxnRequest): Promise<TxnAnswer> {
    this.transactions.push(request);
    const responses = request.success.map((operation) =>
      "request_range" in operation ? { response_range: this.#answer() } : {}
    );
    return Promise.resolve({ header: { revision: SELF.create_revision }, succeeded: true, responses });
  }

  range(): Promise<RangeAnswer> {
    return Promise.resolve(this.#answer());
  }

  ranges(): Promise<RangesAnswer> {
    return Promise.resolve({ revision: BigInt(LAST.create_revision), ranges: [this.#answer(), this.#answer()] });
  }

  watch(observer: WatchObserver): WatchHandle {
    this.#watch = observer;
    observer.created();
    return { probe() {}, close() {} };
  }

  close(): void {}

  /** The leader deletes its key, and tells the candidate so. */
  handOver(): void {
    const { key, create_revision, value } = SELF;
    const to = { ...decodeCandidate(keyText(key), BigInt(create_revision), value) };
    const told = { ...SELF, value: encodeSuccessor(to, BigInt(LEADER.create_revision), "resigned"), mod_revision: "5" };
    this.#queue = [told, LAST];
    this.#watch?.changed([keyEvent(true, { ...LEADER, mod_revision: "5" }), keyEvent(false, told)]);
  }

  #answer(): RangeAnswer {
    return { header: { revision: LAST.create_revision }, kvs: this.#queue, count: String(this.#queue.length) };
  }
}

/** A key of the queue, whose lease has the number of its revision. */
function keyOf(revision: number): KeyValue {
  const value = encodeCandidate({ id: `candidate ${revision}`, url: "http://localhost" }, new Date());
  const text = String(revision);
  return { key: keyBytes(PREFIX + text), value, create_revision: text, mod_revision: text, lease: text };
}

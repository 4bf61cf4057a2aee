import { encodeCandidate, encodeLeaving, encodeSuccessor, keyBytes, keyText, prefixRange } from "./codec.ts";
import { type Clock, systemClock } from "../machine/clock.ts";
import { callTimeoutMs, firstCallTimeoutMs, probeEveryMs } from "../machine/deadline.ts";
import type { Compare, LeaseAnswer, Operation, Patience } from "./client.ts";
import { InvalidAnswerError, storeError } from "./errors.ts";
import type { EtcdLink } from "./link.ts";
import type { LeaveReason, Self } from "../machine/queue.ts";
import type { GuardAnswer } from "../machine/types.ts";
import { type CloseWatch, type Store, StoreError, type StoreNotice, type WithdrawOptions } from "../store.ts";

/** The options of the store. */
export interface EtcdStoreOptions {
  /** The election's prefix, including the trailing `/`. */
  readonly prefix: string;
  /** This node's description. */
  readonly self: Self;
  /** The requested TTL; the watch's probe interval and timeout are derived from it. */
  readonly ttlMs: number;
  /** Whether a leader that leaves without a handoff first writes why: a write that a lock can do without. */
  readonly marksLeaving?: boolean;
}

/** What the store needs of a link. */
export type StoreLink = Pick<EtcdLink, "call" | "watch">;

/** The store in etcd. */
export class EtcdStore implements Store {
  readonly #options: EtcdStoreOptions;
  #self: Self;
  /** When the last key was created. */
  #since = new Date(0);
  readonly #link: StoreLink;
  readonly #clock: Clock;
  /** The key that was queued last. */
  #ownKey: string | undefined;
  /** Reads the first key of the queue. */
  readonly #readFirst: Operation;

  constructor(options: EtcdStoreOptions, link: StoreLink, clock: Clock = systemClock) {
    this.#options = options;
    this.#self = options.self;
    this.#link = link;
    this.#clock = clock;
    const range = prefixRange(options.prefix);
    this.#readFirst = {
      request_range: { ...range, sort_target: "Create", sort_order: "Ascend", limit: 1, keys_only: true },
    };
  }

  grant(ttlMs: number, timeoutMs: number): Promise<{ leaseId: bigint; ttlMs: number }> {
    return this.#link.call(async (client) => {
      const lease = leaseAnswer(await client.grant(ttlMs / 1000, this.#patience(timeoutMs)));
      if (lease.ttlMs === 0) throw new InvalidAnswerError("a TTL of 0 seconds");
      return lease;
    });
  }

  renew(leaseId: bigint, timeoutMs: number): Promise<{ leaseId: bigint; ttlMs: number }> {
    return this.#link.call(async (client) =>
      leaseAnswer(await client.renew(String(leaseId), this.#patience(timeoutMs)))
    );
  }

  enqueue(key: string, leaseId: bigint, timeoutMs: number): Promise<{ token: bigint; first: string }> {
    this.#ownKey = key;
    const name = keyBytes(key);
    this.#since = new Date(this.#clock.now().wall);
    const value = encodeCandidate(this.#self, this.#since);
    return this.#link.call(async (client) => {
      const { header, succeeded, responses } = await client.txn({
        compare: [{ key: name, target: "Create", result: "Equal", create_revision: "0" }],
        success: [{ request_put: { key: name, value, lease: String(leaseId) } }, this.#readFirst],
        failure: [{ request_range: { key: name, keys_only: true } }, this.#readFirst],
      }, this.#patience(timeoutMs));
      const [own, first] = responses.map((response) => response.response_range?.kvs[0]);
      // The key is named after the lease: if it exists, an earlier attempt of ours has succeeded.
      return { token: BigInt(succeeded ? header.revision : own!.create_revision), first: keyText(first!.key) };
    });
  }

  guard(key: string, token: bigint, timeoutMs: number): Promise<GuardAnswer> {
    return this.#link.call(async (client) => {
      const { header, succeeded, responses } = await client.txn({
        compare: [this.#exists(key, token)],
        success: [this.#readFirst],
      }, this.#patience(timeoutMs));
      const first = responses[0]?.response_range?.kvs[0];
      return { held: succeeded, first: first && keyText(first.key), revision: BigInt(header.revision) };
    });
  }

  async withdraw(
    key: string,
    token: bigint,
    timeoutMs: number,
    { leaving, handoff }: WithdrawOptions = {},
  ): Promise<void> {
    if (handoff && await this.#deleteKeys(key, token, timeoutMs, { leaving, handoff })) return;
    if (handoff && handoff.passed.length > 0) throw new StoreError("changed", "the queue has changed");
    if (leaving && this.#options.marksLeaving !== false) {
      await this.markLeaving(key, token, leaving, timeoutMs).catch(() => {});
    }
    await this.#deleteKeys(key, token, timeoutMs);
  }

  /** Records in the key why its candidate is about to leave. */
  async markLeaving(key: string, token: bigint, leaving: LeaveReason, timeoutMs: number): Promise<void> {
    const value = encodeLeaving(this.#self, leaving);
    await this.#link.call((client) =>
      client.txn({
        compare: [this.#exists(key, token)],
        success: [this.#rewrite(key, value)],
      }, this.#patience(timeoutMs))
    );
  }

  async update(self: Self, own: { key: string; token: bigint } | undefined, timeoutMs: number): Promise<void> {
    this.#self = self;
    if (!own) return;
    const value = encodeCandidate(self, this.#since);
    await this.#link.call((client) =>
      client.txn({
        compare: [this.#exists(own.key, own.token)],
        success: [this.#rewrite(own.key, value)],
      }, this.#patience(timeoutMs))
    );
  }

  async touch(key: string, token: bigint, timeoutMs: number): Promise<void> {
    await this.#link.call((client) =>
      client.txn({
        compare: [this.#exists(key, token)],
        success: [{ request_put: { key: keyBytes(key), ignore_value: true, ignore_lease: true } }],
      }, this.#patience(timeoutMs))
    );
  }

  /** Makes or keeps a connection by a question that any user may ask, and for which etcd reads no key. */
  async ping(timeoutMs: number): Promise<void> {
    await this.#link.call((client) => client.txn({ compare: [], success: [] }, this.#patience(timeoutMs)));
  }

  async revoke(leaseId: bigint, timeoutMs: number): Promise<void> {
    try {
      await this.#link.call((client) => client.revoke(String(leaseId), this.#patience(timeoutMs)));
    } catch (error) {
      if (storeError(error, "").failure !== "lease-gone") throw error;
    }
  }

  watch(notify: (notice: StoreNotice) => void): CloseWatch {
    const { prefix, ttlMs } = this.#options;
    const patience = this.#patience(callTimeoutMs(ttlMs));
    const ownKey = () => this.#ownKey;
    return this.#link.watch({ prefix, ownKey, probeEveryMs: probeEveryMs(ttlMs), patience, notify });
  }

  #patience(timeoutMs: number): Patience {
    return { timeoutMs, firstTimeoutMs: Math.max(timeoutMs, firstCallTimeoutMs(this.#options.ttlMs)) };
  }

  /** Deletes the key and those skipped, and records why in the next leader's key; false if the queue has changed. */
  async #deleteKeys(
    key: string,
    token: bigint,
    timeoutMs: number,
    { leaving, handoff }: WithdrawOptions = {},
  ): Promise<boolean> {
    const { passed = [], to } = handoff ?? {};
    const deleted = [{ key, token }, ...passed];
    // In the same transaction: a separate write would delay the next leader.
    const marked = to && leaving ? [this.#rewrite(to.key, encodeSuccessor(to, token, leaving))] : [];
    const { succeeded, responses } = await this.#link.call((client) =>
      client.txn({
        compare: [...deleted, ...to ? [to] : []].map(({ key, token }) => this.#exists(key, token)),
        success: [...deleted.map(({ key }) => ({ request_delete_range: { key: keyBytes(key) } })), ...marked],
        failure: [{ request_range: { key: keyBytes(key), keys_only: true } }],
      }, this.#patience(timeoutMs))
    );
    return succeeded || responses[0]?.response_range?.kvs[0]?.create_revision !== String(token);
  }

  #rewrite(key: string, value: Uint8Array): Operation {
    return { request_put: { key: keyBytes(key), value, ignore_lease: true } };
  }

  #exists(key: string, token: bigint): Compare {
    return { key: keyBytes(key), target: "Create", result: "Equal", create_revision: String(token) };
  }
}

/** A lease as etcd has answered it; a TTL of 0 means that it does not exist. */
function leaseAnswer({ ID, TTL }: LeaseAnswer): { leaseId: bigint; ttlMs: number } {
  if (!/^-?\d{1,19}$/.test(ID)) throw new InvalidAnswerError(`lease ${ID.slice(0, 40)}`);
  if (!/^\d{1,9}$/.test(TTL) || Number(TTL) > MAX_TTL_SECONDS) {
    throw new InvalidAnswerError(`a TTL of ${TTL.slice(0, 40)} seconds`);
  }
  return { leaseId: BigInt(ID), ttlMs: Number(TTL) * 1000 };
}

/** The longest TTL that can be asked for: nothing longer is taken for an answer. */
const MAX_TTL_SECONDS = 86_400;

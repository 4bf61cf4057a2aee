import { keyEvent, prefixRange } from "../codec.ts";
import { type Clock, elapsed, type Instant } from "../../machine/clock.ts";
import type { Patience, RangeAnswer, RangeRequest, WatchHandle, WatchObserver } from "../client.ts";
import { cancelled, deadlineExceeded, watchHeldBack } from "../errors.ts";
import { type Json, keyValue } from "./json.ts";

/** The part of the client that a watch needs. */
export interface GatewayRequests {
  /** A request with a stream of lines as its response. */
  lines(path: string, body: unknown, timeoutMs: number, controller: AbortController): AsyncIterable<Json>;
  /** A range request. */
  range(request: RangeRequest, patience: Patience): Promise<RangeAnswer>;
}

/** Milliseconds for which a watch may be silent about what a probe has found. */
const SILENCE_MS = 500;

/** Watches a prefix over the JSON gateway. */
export function watchByGateway(client: GatewayRequests, request: WatchObserver, clock: Clock): WatchHandle {
  return new GatewayWatch(client, request, clock);
}

/** The result of a probe: the watch must report everything up to it before it counts as alive. */
interface ProbeResult {
  readonly sentAt: Instant;
  /** etcd's revision at the probe. */
  readonly revision: bigint;
  /** The highest revision of a key that had not been reported when the probe was sent. */
  readonly newest: bigint;
  readonly count: number;
}

/**
 * A watch with its own streaming request. The gateway supports no progress requests, so a probe is a range request: the
 * watch is alive once it has reported everything that the probe found.
 */
class GatewayWatch implements WatchHandle {
  readonly #client: GatewayRequests;
  readonly #request: WatchObserver;
  readonly #clock: Clock;
  readonly #controller = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #probing = false;
  #probeResult: ProbeResult | undefined;
  #closed = false;

  constructor(client: GatewayRequests, request: WatchObserver, clock: Clock) {
    this.#client = client;
    this.#request = request;
    this.#clock = clock;
    this.#read().catch((error) => this.#fail(error));
  }

  probe(): void {
    this.#probe().catch((error) => this.#fail(error));
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#controller.abort();
  }

  async #read(): Promise<void> {
    const { prefix, patience } = this.#request;
    const { firstTimeoutMs } = patience();
    this.#timer = setTimeout(() => this.#lookAround(firstTimeoutMs / 2), firstTimeoutMs / 2);
    const body = { create_request: prefixRange(prefix) };
    for await (const { result } of this.#client.lines("watch", body, firstTimeoutMs, this.#controller)) {
      if (this.#closed) return;
      const { created, canceled, events } = result as Json;
      if (canceled) return this.#fail(cancelled(result as Json));
      if (created) {
        this.#request.created();
        this.#probeLater();
      }
      if (Array.isArray(events) && events.length > 0) {
        this.#request.changed(
          events.map(({ type, kv }: { type?: string; kv: Json }) => keyEvent(type === "DELETE", keyValue(kv))),
        );
        this.#check();
      }
    }
  }

  /** The watch is late: whether a call is answered meanwhile tells why. */
  #lookAround(leftMs: number): void {
    const { prefix, patience } = this.#request;
    let answered = false;
    this.#timer = setTimeout(() => this.#fail(answered ? watchHeldBack() : timeout()), leftMs);
    const request = { ...prefixRange(prefix), limit: 1, keys_only: true };
    this.#client.range(request, patience()).then(() => answered = true, () => {});
  }

  #probeLater(): void {
    clearTimeout(this.#timer);
    if (!this.#closed) this.#timer = setTimeout(() => this.probe(), this.#request.probeEveryMs());
  }

  async #probe(): Promise<void> {
    const known = this.#request.known();
    if (this.#probing || this.#closed || !known) return;
    this.#probing = true;
    clearTimeout(this.#timer);
    const patience = this.#request.patience();
    const sentAt = this.#clock.now();
    const { header, kvs, count } = await this.#client.range({
      ...prefixRange(this.#request.prefix),
      keys_only: true,
      min_mod_revision: String(known.revision + 1n),
    }, patience);
    if (this.#closed) return;
    // What was found must have been on its way for as long as this answer, and come soon.
    const wait = Math.max(SILENCE_MS, 2 * elapsed(sentAt, this.#clock.now()));
    this.#timer = setTimeout(() => this.#fail(timeout()), Math.min(patience.timeoutMs, wait));
    const newest = kvs.reduce(
      (most, { mod_revision }) => BigInt(mod_revision) > most ? BigInt(mod_revision) : most,
      0n,
    );
    this.#probeResult = { sentAt, revision: BigInt(header.revision), newest, count: Number(count) };
    this.#check();
  }

  /** Checks whether everything that the probe found has been reported. */
  #check(): void {
    const known = this.#request.known();
    if (!this.#probeResult || this.#closed || !known) return;
    const { sentAt, revision, newest, count } = this.#probeResult;
    if (known.revision <= revision && (known.revision < newest || known.count !== count)) return;
    this.#probeResult = undefined;
    this.#probing = false;
    this.#request.alive(sentAt);
    this.#probeLater();
  }

  #fail(reason: Error): void {
    if (this.#closed) return;
    this.close();
    this.#request.failed(reason);
  }
}

function timeout(): Error {
  return deadlineExceeded("the watch was not answered");
}

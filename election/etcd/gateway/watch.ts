import { keyEvent, prefixRange } from "../codec.ts";
import type { Clock, Instant } from "../../machine/clock.ts";
import { firstCallTimeoutMs } from "../../machine/deadline.ts";
import type { RangeAnswer, RangeRequest, WatchHandle, WatchObserver } from "../client.ts";
import { cancelled, silent } from "../errors.ts";
import { type Json, keyValue } from "./json.ts";

/** What a watch needs of its client. */
export interface GatewayRequests {
  /** A request whose answer is a stream of lines. */
  lines(path: string, body: unknown, timeoutMs: number, controller: AbortController): AsyncIterable<Json>;
  /** A range request. */
  range(request: RangeRequest, timeoutMs: number): Promise<RangeAnswer>;
}

/** Watches a prefix by a request whose answer is a stream of lines. */
export function watchByGateway(client: GatewayRequests, request: WatchObserver, clock: Clock): WatchHandle {
  return new GatewayWatch(client, request, clock);
}

/** What a probe found: all of it must have been told before the watch is known to be alive. */
interface Found {
  readonly sentAt: Instant;
  /** The revision of etcd then. */
  readonly revision: bigint;
  /** The newest revision of a key that had not been told when the probe was sent. */
  readonly newest: bigint;
  readonly count: number;
}

/**
 * A watch of its own request. The gateway carries no probes, so another request asks for what the watch should have
 * told by then.
 */
class GatewayWatch implements WatchHandle {
  readonly #client: GatewayRequests;
  readonly #request: WatchObserver;
  readonly #clock: Clock;
  readonly #controller = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #probing = false;
  #found: Found | undefined;
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
    const { prefix, timeoutMs } = this.#request;
    this.#timer = setTimeout(() => this.#fail(silence()), firstCallTimeoutMs(timeoutMs()));
    const body = { create_request: prefixRange(prefix) };
    for await (const { result } of this.#client.lines("watch", body, timeoutMs(), this.#controller)) {
      if (this.#closed) return;
      const { created, canceled, events } = result as Json;
      if (canceled) return this.#fail(cancelled(result as Json));
      if (created) {
        this.#request.created();
        this.#probeLater();
      }
      if (Array.isArray(events) && events.length > 0) {
        this.#request.happened(
          events.map(({ type, kv }: { type?: string; kv: Json }) => keyEvent(type === "DELETE", keyValue(kv))),
        );
        this.#check();
      }
    }
  }

  #probeLater(): void {
    clearTimeout(this.#timer);
    if (!this.#closed) this.#timer = setTimeout(() => this.probe(), this.#request.probeEveryMs());
  }

  async #probe(): Promise<void> {
    const seen = this.#request.seen();
    if (this.#probing || this.#closed || !seen) return;
    this.#probing = true;
    clearTimeout(this.#timer);
    const timeoutMs = this.#request.timeoutMs();
    this.#timer = setTimeout(() => this.#fail(silence()), timeoutMs);
    const sentAt = this.#clock.now();
    const { header, kvs, count } = await this.#client.range({
      ...prefixRange(this.#request.prefix),
      keys_only: true,
      min_mod_revision: String(seen.revision + 1n),
    }, timeoutMs);
    const newest = kvs.reduce(
      (most, { mod_revision }) => BigInt(mod_revision) > most ? BigInt(mod_revision) : most,
      0n,
    );
    this.#found = { sentAt, revision: BigInt(header.revision), newest, count: Number(count) };
    this.#check();
  }

  /** Looks whether all that the probe has found was told. */
  #check(): void {
    const seen = this.#request.seen();
    if (!this.#found || this.#closed || !seen) return;
    const { sentAt, revision, newest, count } = this.#found;
    if (seen.revision <= revision && (seen.revision < newest || seen.count !== count)) return;
    this.#found = undefined;
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

function silence(): Error {
  return silent("the watch is silent");
}

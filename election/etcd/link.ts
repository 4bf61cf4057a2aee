import type { Credentials, EtcdOptions, TransportName } from "./options.ts";
import { type Clock, systemClock } from "../machine/clock.ts";
import { Endpoints } from "./endpoints.ts";
import type { EtcdClient, Transport } from "./client.ts";
import { isStaleToken, storeError } from "./errors.ts";
import { type QueueReader, QueueWatchPool } from "./queue_watch.ts";
import { type CloseWatch, StoreError } from "../store.ts";

/** The transports, loaded on first use. */
const TRANSPORTS: Readonly<Record<TransportName, () => Promise<Transport>>> = {
  grpc: async () => (await import("./grpc/client.ts")).grpc,
  gateway: async () => (await import("./gateway/client.ts")).gateway,
};

/**
 * The connection to etcd: two clients, each for one endpoint. One is for calls, one for watches, because a failed call
 * closes every stream of its client. A failed client is replaced by a new one for the next endpoint.
 */
export class EtcdLink {
  readonly #credentials: Credentials;
  readonly #endpoints: Endpoints;
  readonly #clock: Clock;
  readonly #load: () => Promise<Transport>;
  #transport: Promise<Transport> | undefined;
  /** The loaded transport: avoids an await per call. */
  #ready: Transport | undefined;
  #calls: EtcdClient | undefined;
  /** The endpoint of the next client for calls. */
  #callsEndpoint: string;
  #watches: QueueWatchPool;
  #closed = false;

  constructor({ endpoints, transport, tls, user }: EtcdOptions, clock: Clock = systemClock) {
    this.#credentials = { tls, user };
    this.#clock = clock;
    this.#endpoints = new Endpoints(endpoints);
    this.#load = TRANSPORTS[transport];
    this.#callsEndpoint = this.#endpoints.first;
    this.#watches = this.#watchesAt(this.#endpoints.first);
  }

  /** Makes a call; rejects with a {@linkcode StoreError}. */
  async call<T>(run: (client: EtcdClient) => Promise<T>): Promise<T> {
    try {
      return await this.#attempt(run);
    } catch (error) {
      // Typical for a candidate that takes over after a long wait. The new client authenticates again.
      if (this.#closed || !isStaleToken(error)) throw error;
      return await this.#attempt(run);
    }
  }

  async #attempt<T>(run: (client: EtcdClient) => Promise<T>): Promise<T> {
    const transport = this.#ready ?? await this.#loaded();
    if (this.#closed) throw new StoreError("unreachable", "the connection to etcd was closed");
    const client = this.#calls ??= this.#connect(transport, this.#callsEndpoint, () => this.#replace(client));
    try {
      const answer = await run(client);
      this.#endpoints.answered(client.endpoint);
      return answer;
    } catch (error) {
      const failure = storeError(error, client.endpoint);
      if (failure.failure === "unreachable" || this.#isRefusing(client.endpoint, failure)) this.#replace(client);
      throw failure;
    }
  }

  /** Lists, then watches a prefix, until `lost` or until the returned function is called. */
  watch(options: QueueReader): CloseWatch {
    return this.#watches.watch(options);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#calls?.close();
    this.#watches.close();
    await (await this.#transport?.catch(() => undefined))?.settled();
  }

  #loaded(): Promise<Transport> {
    return this.#transport ??= this.#load().then((transport) => this.#ready = transport).catch((error) => {
      // Retry on the next call.
      this.#transport = undefined;
      throw error;
    });
  }

  /** Whether an endpoint should be left because it has refused everything for a while. */
  #isRefusing(endpoint: string, { failure }: StoreError): boolean {
    if (failure === "refused") return this.#endpoints.refused(endpoint, this.#clock.now());
    // An answer like any other.
    this.#endpoints.answered(endpoint);
    return false;
  }

  /** Switches calls to the next endpoint. Only the first of several failed calls has an effect. */
  #replace(client: EtcdClient): void {
    if (this.#calls !== client || this.#closed) return;
    client.close();
    this.#calls = undefined;
    this.#callsEndpoint = this.#endpoints.failed(client.endpoint);
  }

  #watchesAt(endpoint: string): QueueWatchPool {
    const open = async (onLeft: (reason: Error) => void) => this.#connect(await this.#loaded(), endpoint, onLeft);
    return new QueueWatchPool(endpoint, open, this.#clock, {
      answered: () => this.#endpoints.answered(endpoint),
      refused: (error) => this.#isRefusing(endpoint, error),
      ended: () => {
        if (!this.#closed) this.#watches = this.#watchesAt(this.#endpoints.failed(endpoint));
      },
    });
  }

  #connect(transport: Transport, endpoint: string, onLeft: (reason: Error) => void): EtcdClient {
    return transport.connect({ endpoint, credentials: this.#credentials, clock: this.#clock, onLeft });
  }
}

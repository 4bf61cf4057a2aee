import { credentialsOf } from "./credentials.ts";
import type { EtcdOptions, TransportName } from "./options.ts";
import { type Clock, systemClock } from "../machine/clock.ts";
import { Endpoints } from "./endpoints.ts";
import type { EtcdClient, Transport } from "./client.ts";
import { cannotLoadGrpc, isStaleToken, storeError } from "./errors.ts";
import { type OpenClient, type QueueReader, QueueWatchPool } from "./queue_watch.ts";
import { type CloseWatch, StoreError } from "../store.ts";

/** The transports, loaded on first use. */
const TRANSPORTS: Readonly<Record<TransportName, () => Promise<Transport>>> = {
  grpc: () => import("./grpc/client.ts").then(({ grpc }) => grpc, (error) => Promise.reject(cannotLoadGrpc(error))),
  gateway: async () => (await import("./gateway/client.ts")).gateway,
};

/**
 * The connection to etcd: two clients, each for one endpoint. One is for calls, one for watches, because a failed call
 * closes every stream of its client. A failed client is replaced by a new one for the next endpoint.
 */
export class EtcdLink {
  readonly #options: EtcdOptions;
  readonly #endpoints: Endpoints;
  readonly #clock: Clock;
  readonly #load: () => Promise<Transport>;
  #transport: Promise<Transport> | undefined;
  /** The loaded transport: avoids an await per call. */
  #ready: Transport | undefined;
  #calls: EtcdClient | undefined;
  /** The client for calls while it is being made. */
  #connecting: Promise<EtcdClient> | undefined;
  /** The endpoint of the next client for calls. */
  #callsEndpoint: string;
  #watches: QueueWatchPool;
  #closed = false;

  constructor(options: EtcdOptions, clock: Clock = systemClock) {
    this.#options = options;
    this.#clock = clock;
    this.#endpoints = new Endpoints(options.endpoints);
    this.#load = TRANSPORTS[options.transport];
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
    if (this.#closed) throw closed();
    const client = this.#calls ?? await (this.#connecting ??= this.#connectCalls(transport));
    try {
      const answer = await run(client);
      this.#endpoints.answered(client.endpoint);
      return answer;
    } catch (error) {
      const failure = this.#failure(error, client.endpoint);
      if (failure.failure === "unreachable" || this.#isRefusing(client.endpoint, failure)) this.#replace(client);
      throw failure;
    }
  }

  async #connectCalls(transport: Transport): Promise<EtcdClient> {
    try {
      const client = await this.#connect(transport, this.#callsEndpoint, () => this.#replace(client));
      if (!this.#closed) return this.#calls = client;
      client.close();
      throw closed();
    } catch (error) {
      throw this.#failure(error, this.#callsEndpoint);
    } finally {
      this.#connecting = undefined;
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
    await this.#connecting?.catch(() => undefined);
    await (await this.#transport?.catch(() => undefined))?.settled();
  }

  #loaded(): Promise<Transport> {
    return this.#transport ??= this.#load().then((transport) => this.#ready = transport).catch((error) => {
      // Retry on the next call.
      this.#transport = undefined;
      throw error;
    });
  }

  /** An error, for the election. Of one endpoint, it is not the end as long as there is another. */
  #failure(error: unknown, endpoint: string): StoreError {
    const failure = storeError(error, endpoint);
    if (failure === error || !failure.hopeless || this.#endpoints.hopeless(endpoint)) return failure;
    return new StoreError(failure.failure, failure.message, { cause: error, hopeless: false });
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
    const open: OpenClient = async (onLeft) => await this.#connect(await this.#loaded(), endpoint, onLeft);
    return new QueueWatchPool(open, this.#clock, {
      failure: (error) => this.#failure(error, endpoint),
      answered: () => this.#endpoints.answered(endpoint),
      refused: (error) => this.#isRefusing(endpoint, error),
      ended: () => {
        if (!this.#closed) this.#watches = this.#watchesAt(this.#endpoints.failed(endpoint));
      },
    });
  }

  async #connect(transport: Transport, endpoint: string, onLeft: (reason: Error) => void): Promise<EtcdClient> {
    const credentials = await credentialsOf(this.#options);
    return transport.connect({ endpoint, credentials, clock: this.#clock, onLeft });
  }
}

function closed(): StoreError {
  return new StoreError("unreachable", "the connection to etcd was closed");
}

import type { Credentials, EtcdOptions, TransportName } from "./options.ts";
import { type Clock, systemClock } from "../machine/clock.ts";
import { Endpoints } from "./endpoints.ts";
import type { EtcdClient, Transport } from "./client.ts";
import { isStaleToken, storeError } from "./errors.ts";
import { type QueueReader, QueueWatchPool } from "./queue_watch.ts";
import { type CloseWatch, StoreError } from "../store.ts";

/** What a transport needs is loaded when it is used. */
const TRANSPORTS: Readonly<Record<TransportName, () => Promise<Transport>>> = {
  grpc: async () => (await import("./grpc/client.ts")).grpc,
  gateway: async () => (await import("./gateway/client.ts")).gateway,
};

/**
 * What leads to etcd: two clients, each on one endpoint. One is for the calls, one for the watches, since a failed
 * call takes down every stream of its client. A client that fails is replaced by a new one on the next best endpoint.
 */
export class EtcdLink {
  readonly #credentials: Credentials;
  readonly #endpoints: Endpoints;
  readonly #clock: Clock;
  readonly #load: () => Promise<Transport>;
  #transport: Promise<Transport> | undefined;
  /** The same, once it is there: a call shall not wait for what need not be waited for. */
  #ready: Transport | undefined;
  #calls: EtcdClient | undefined;
  /** Where the next client for calls goes. */
  #callsAt: string;
  #watches: QueueWatchPool;
  #closed = false;

  constructor({ endpoints, transport, tls, user }: EtcdOptions, clock: Clock = systemClock) {
    this.#credentials = { tls, user };
    this.#clock = clock;
    this.#endpoints = new Endpoints(endpoints);
    this.#load = TRANSPORTS[transport];
    this.#callsAt = this.#endpoints.first;
    this.#watches = this.#watchesAt(this.#endpoints.first);
  }

  /** Makes a call; rejects with a {@linkcode StoreError}. */
  async call<T>(run: (client: EtcdClient) => Promise<T>): Promise<T> {
    try {
      return await this.#try(run);
    } catch (error) {
      // As a rule the first one to notice is who takes over after a long wait: a new client logs in anew.
      if (this.#closed || !isStaleToken(error)) throw error;
      return await this.#try(run);
    }
  }

  async #try<T>(run: (client: EtcdClient) => Promise<T>): Promise<T> {
    const transport = this.#ready ?? await this.#loaded();
    if (this.#closed) throw new StoreError("unreachable", "the connection to etcd was closed");
    const client = this.#calls ??= this.#connect(transport, this.#callsAt, () => this.#leave(client));
    try {
      const answer = await run(client);
      this.#endpoints.answered(client.endpoint);
      return answer;
    } catch (error) {
      const failure = storeError(error, client.endpoint);
      if (failure.failure === "unreachable") this.#leave(client);
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
      // What could not be loaded is tried again.
      this.#transport = undefined;
      throw error;
    });
  }

  /** Makes the next call go to the next endpoint. Several calls may fail together: only the first does it. */
  #leave(client: EtcdClient): void {
    if (this.#calls !== client || this.#closed) return;
    client.close();
    this.#calls = undefined;
    this.#callsAt = this.#endpoints.failed(client.endpoint);
  }

  #watchesAt(endpoint: string): QueueWatchPool {
    const open = async (onLeft: (reason: Error) => void) => this.#connect(await this.#loaded(), endpoint, onLeft);
    return new QueueWatchPool(endpoint, open, this.#clock, () => {
      if (!this.#closed) this.#watches = this.#watchesAt(this.#endpoints.failed(endpoint));
    });
  }

  #connect(transport: Transport, endpoint: string, onLeft: (reason: Error) => void): EtcdClient {
    return transport.connect({ endpoint, credentials: this.#credentials, clock: this.#clock, onLeft });
  }
}

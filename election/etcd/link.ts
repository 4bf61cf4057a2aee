import type { TransportName } from "./options.ts";
import { type Clock, systemClock } from "../machine/clock.ts";
import { Endpoints } from "./endpoints.ts";
import type { EtcdAccess, EtcdClient, Transport } from "./client.ts";
import { isStaleToken, storeError } from "./errors.ts";
import { QueueWatches, type WatchOptions } from "./queue_watch.ts";
import { type CloseWatch, StoreError } from "../store.ts";

/** Where etcd is, how to speak to it, and how to be let in. */
export interface LinkOptions {
  /** etcd's endpoints as URLs. */
  readonly endpoints: readonly string[];
  /** How to speak to it. */
  readonly transport: TransportName;
  /** How to be let in. */
  readonly access?: EtcdAccess;
}

/** What a transport needs is loaded when it is used. */
const TRANSPORTS: Readonly<Record<TransportName, () => Promise<Transport>>> = {
  grpc: async () => (await import("./grpc/client.ts")).grpc,
  http: async () => (await import("./gateway/client.ts")).gateway,
};

/**
 * What leads to etcd: two clients, each on one endpoint. One is for the calls, one for the watches, since a failed
 * call takes down every stream of its client. A client that fails is replaced by a new one on the next best endpoint.
 */
export class EtcdLink {
  readonly #access: EtcdAccess;
  readonly #endpoints: Endpoints;
  readonly #clock: Clock;
  readonly #load: () => Promise<Transport>;
  #transport: Promise<Transport> | undefined;
  /** The same, once it is there: a call shall not wait for what need not be waited for. */
  #ready: Transport | undefined;
  #calls: EtcdClient | undefined;
  /** Where the next client for calls goes. */
  #callsAt: string;
  #watches: QueueWatches;
  #closed = false;

  constructor({ endpoints, transport, access = {} }: LinkOptions, clock: Clock = systemClock) {
    this.#access = access;
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
  watch(options: WatchOptions): CloseWatch {
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
    this.#callsAt = this.#endpoints.after(client.endpoint);
  }

  #watchesAt(endpoint: string): QueueWatches {
    const open = async (onLeft: (reason: Error) => void) => this.#connect(await this.#loaded(), endpoint, onLeft);
    return new QueueWatches(endpoint, open, this.#clock, () => {
      if (!this.#closed) this.#watches = this.#watchesAt(this.#endpoints.after(endpoint));
    });
  }

  #connect(transport: Transport, endpoint: string, onLeft: (reason: Error) => void): EtcdClient {
    return transport.connect({ endpoint, access: this.#access, clock: this.#clock, onLeft });
  }
}

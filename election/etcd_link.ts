import { type Clock, systemClock } from "./clock.ts";
import { firstCallTimeoutMs } from "./deadline.ts";
import { Endpoints } from "./endpoints.ts";
import { type EtcdAccess, EtcdClient, storeError } from "./etcd_client.ts";
import { type WatchOptions, WatchStream } from "./etcd_watch.ts";
import { sessionsClosed } from "./http2_guard.ts";

/** Where etcd is, and how to be let in. */
export interface LinkOptions {
  /** etcd's endpoints as URLs. */
  readonly endpoints: readonly string[];
  /** How to be let in. */
  readonly access?: EtcdAccess;
}

/**
 * What leads to etcd: two clients, each on one endpoint. One is for the calls, one for the watches, since a failed
 * call takes down every stream of its client. A client that fails is replaced by a new one on the next best endpoint.
 */
export class EtcdLink {
  readonly #access: EtcdAccess | undefined;
  readonly #endpoints: Endpoints;
  readonly #clock: Clock;
  #calls: EtcdClient;
  #watching: EtcdClient;
  #watches: WatchStream;
  #closed = false;

  constructor({ endpoints, access }: LinkOptions, clock: Clock = systemClock) {
    this.#access = access;
    this.#clock = clock;
    this.#endpoints = new Endpoints(endpoints);
    this.#calls = new EtcdClient(this.#endpoints.first, access);
    this.#watching = new EtcdClient(this.#endpoints.first, access);
    this.#watches = this.#watchesOf(this.#watching);
  }

  /** Makes a call, which is given up after `timeoutMs`; rejects with a {@linkcode StoreError}. */
  async call<T>(
    timeoutMs: number,
    run: (client: EtcdClient, options: { deadline: number }) => Promise<T>,
  ): Promise<T> {
    const client = this.#calls;
    try {
      await client.logIn(timeoutMs);
      const fresh = client.keepAlive === undefined;
      const keepAlive = client.keepAlive ?? client.openKeepAlive(() => this.#leave(client));
      await keepAlive.opened();
      const patience = fresh ? firstCallTimeoutMs(timeoutMs) : timeoutMs;
      const answer = await run(client, { deadline: Date.now() + patience });
      this.#endpoints.answered(client.endpoint);
      if (fresh) await client.onLeft("Lease", () => this.#leave(client));
      return answer;
    } catch (error) {
      const failure = storeError(error, client.endpoint);
      if (failure.failure === "unreachable") this.#leave(client);
      throw failure;
    }
  }

  /** Lists, then watches a prefix, until `lost` or until the returned function is called. */
  watch(options: WatchOptions): () => void {
    return this.#watches.watch(options);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#calls.close();
    this.#watches.close();
    this.#watching.close();
    await sessionsClosed();
  }

  /** Makes the next call go to the next endpoint. Several calls may fail together: only the first does it. */
  #leave(client: EtcdClient): void {
    if (this.#calls !== client || this.#closed) return;
    this.#calls = this.#next(client);
  }

  #watchesOf(client: EtcdClient): WatchStream {
    return new WatchStream(client, this.#clock, () => {
      if (this.#watching !== client || this.#closed) return;
      this.#watching = this.#next(client);
      this.#watches = this.#watchesOf(this.#watching);
    });
  }

  #next(failed: EtcdClient): EtcdClient {
    failed.close();
    return new EtcdClient(this.#endpoints.after(failed.endpoint), this.#access);
  }
}

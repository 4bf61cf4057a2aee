import type { ILeaseKeepAliveResponse, LeaseClient } from "etcd3/lib/rpc.js";
import { type Deferred, deferred } from "../../deferred.ts";
import { grpcProxyRefused } from "../errors.ts";
import { whenLate } from "../turns.ts";

type Stream = Awaited<ReturnType<LeaseClient["leaseKeepAlive"]>>;

/** The stream that renews leases, open as long as its client. */
export class KeepAliveStream {
  readonly #stream: Promise<Stream>;
  readonly #waiting = new Map<string, Deferred<ILeaseKeepAliveResponse>>();
  #ended: Error | undefined;

  /** Opens the stream; `onEnd` is called if it ends by itself. */
  constructor(lease: LeaseClient, onEnd: (reason: Error) => void) {
    this.#stream = lease.leaseKeepAlive();
    const end = (error: Error) => {
      if (this.#ended) return;
      this.#end(error);
      onEnd(error);
    };
    this.#stream.then((stream) => {
      stream.on("data", (answer: ILeaseKeepAliveResponse) => this.#waiting.get(answer.ID)?.resolve(answer));
      stream.on("error", end);
      stream.on("end", () => end(new Error("14 UNAVAILABLE: the keep-alive stream ended")));
    }, end);
  }

  /** Resolves when etcd3 has opened the stream. */
  async opened(): Promise<void> {
    await this.#stream;
  }

  /** Renews a lease once. */
  async renew(id: string, timeoutMs: number): Promise<ILeaseKeepAliveResponse> {
    const stream = await this.#stream;
    if (this.#ended) throw this.#ended;
    const answer = deferred<ILeaseKeepAliveResponse>();
    this.#waiting.set(id, answer);
    const late = () => answer.reject(new Error("4 DEADLINE_EXCEEDED: the renewal was not answered"));
    const answered = whenLate(timeoutMs, late);
    stream.write({ ID: id });
    try {
      return await answer.promise;
    } finally {
      answered();
      this.#waiting.delete(id);
    }
  }

  /**
   * Fails if this is etcd's gRPC proxy: it answers with what it has last heard of the lease, although that may be from
   * before the renewal. The TTL of a lease that does not exist is 0 by etcd, and -1 by the proxy.
   */
  async refuseProxy(timeoutMs: number): Promise<void> {
    const [id] = crypto.getRandomValues(new BigUint64Array(1));
    const { TTL } = await this.renew(String(id! >> 1n), timeoutMs);
    if (TTL !== "0") throw grpcProxyRefused();
  }

  close(): void {
    if (!this.#ended) this.#end(new Error("1 CANCELLED: the keep-alive stream was closed"));
    this.#stream.then((stream) => stream.cancel(), () => {});
  }

  #end(error: Error): void {
    this.#ended = error;
    for (const { reject } of this.#waiting.values()) reject(error);
  }
}

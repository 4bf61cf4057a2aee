import { Buffer } from "node:buffer";
import { Etcd3, type ICallable, type IOptions, type IRangeRequest, type ITxnRequest } from "etcd3";
import type { TlsOptions, UserOptions } from "../options.ts";
import type { Clock } from "../../machine/clock.ts";
import { firstCallTimeoutMs } from "../../machine/deadline.ts";
import type {
  ClientOptions,
  EtcdClient,
  LeaseAnswer,
  RangeAnswer,
  RangeRequest,
  Transport,
  TxnAnswer,
  TxnRequest,
  WatchHandle,
  WatchObserver,
} from "../client.ts";
import { isOpenToAll } from "../errors.ts";
import { type StreamSource, WatchStream } from "./watch.ts";
import { patchHttp2, sessionsClosed } from "./http2_patch.ts";
import { KeepAliveStream } from "./keep_alive.ts";

/** etcd3's retries and circuit breaker repeat writes and hide failures; every retry here is the election's. */
const noPolicy = {
  // It must be asynchronous: an error thrown at once would escape etcd3 and end the process.
  execute: async (run: (context: unknown) => unknown) => await run({}),
} as unknown as NonNullable<NonNullable<IOptions["faultHandling"]>["global"]>;

type CallOptions = Exclude<NonNullable<IOptions["defaultCallOptions"]>, (...args: never) => unknown>;
type Interceptor = NonNullable<CallOptions["interceptors"]>[number];

/** What is needed of a gRPC channel; etcd3 has it, but does not show it. */
interface Channel {
  watchConnectivityState(current: number, deadline: number, left: () => void): void;
}

/** What is needed of etcd3's connections, which it does not show. */
interface Pool {
  readonly hosts: readonly {
    cachedServices: Record<string, { close(): void }>;
    resetAllServices(): void;
  }[];
  readonly authenticator: { invalidateMetadata(): void };
}

/** `connectivityState.READY` of gRPC: the connection stands. */
const READY = 2;

let clients = 0;

/** etcd over npm:etcd3, used at the level of etcd's own calls, with a connection of its own. */
export class GrpcClient implements EtcdClient {
  readonly endpoint: string;
  readonly etcd: Etcd3;
  readonly #user: UserOptions | undefined;
  readonly #clock: Clock;
  readonly #onLeft: (reason: Error) => void;
  #loggingIn: Promise<void> | undefined;
  #token: string | undefined;
  #keepAlive: KeepAliveStream | undefined;
  #watches: WatchStream | undefined;
  #closed = false;

  constructor({ endpoint, credentials: { tls, user }, clock, onLeft }: ClientOptions) {
    patchHttp2();
    this.endpoint = endpoint;
    this.#user = user;
    this.#clock = clock;
    this.#onLeft = onLeft;
    this.etcd = new Etcd3({
      hosts: endpoint,
      credentials: credentials(tls),
      defaultCallOptions: { interceptors: [this.#addMetadata] },
      faultHandling: { host: () => noPolicy, global: noPolicy },
      grpcOptions: {
        // Clients with equal options share a connection and its back-off; ours must not.
        "leader-node.client": ++clients,
        "grpc.enable_http_proxy": 0,
        // They repeat writes, and on a session that is gone they spin for ever.
        "grpc.enable_retries": 0,
        // A client that fails is replaced: its own patience would only leave timers behind.
        "grpc.initial_reconnect_backoff_ms": 1,
        "grpc.max_reconnect_backoff_ms": 100,
        "grpc.dns_min_time_between_resolutions_ms": 100,
        // A list with huge foreign values is no reason to go blind.
        "grpc.max_receive_message_length": -1,
        ...(tls?.serverName ? { "grpc.ssl_target_name_override": tls.serverName } : {}),
      },
    });
    const { client: { hosts, authenticator } } = this.etcd.leaseClient as unknown as { client: Pool };
    // With a token that is refused, etcd3 would ask again at once, with the same one, until the deadline.
    authenticator.invalidateMetadata = () => {
      throw new Error("16 UNAUTHENTICATED: etcdserver: invalid auth token");
    };
    // Those that are still being made etcd3 would go on to make for a second, again and again.
    for (const host of hosts) {
      host.resetAllServices = () => {
        for (const service of Object.values(host.cachedServices)) service.close();
        host.cachedServices = {};
      };
    }
  }

  /**
   * Gets a token for the user, if there is one and it has none yet. etcd3 would do so over a connection
   * of its own, which it never closes. A token that is refused later makes the client one that failed: its
   * successor logs in anew.
   */
  async logIn(timeoutMs: number): Promise<void> {
    if (!this.#user) return;
    this.#loggingIn ??= this.etcd.auth.authenticate(this.#user, { deadline: Date.now() + timeoutMs }).then(
      ({ token }) => {
        this.#token = token;
      },
      (error) => {
        if (!isOpenToAll(error)) throw error;
      },
    );
    try {
      await this.#loggingIn;
    } catch (error) {
      this.#loggingIn = undefined;
      throw error;
    }
  }

  grant(ttlSeconds: number, timeoutMs: number): Promise<LeaseAnswer> {
    return this.#call(timeoutMs, (deadline) => this.etcd.leaseClient.leaseGrant({ TTL: ttlSeconds }, deadline));
  }

  renew(leaseId: string, timeoutMs: number): Promise<LeaseAnswer> {
    return this.#call(timeoutMs, () => this.#keepAlive!.renew(leaseId, timeoutMs));
  }

  async revoke(leaseId: string, timeoutMs: number): Promise<void> {
    await this.#call(timeoutMs, (deadline) => this.etcd.leaseClient.leaseRevoke({ ID: leaseId }, deadline));
  }

  txn(request: TxnRequest, timeoutMs: number): Promise<TxnAnswer> {
    return this.#call(timeoutMs, (deadline) => this.etcd.kv.txn(request as ITxnRequest, deadline));
  }

  async range(request: RangeRequest, timeoutMs: number): Promise<RangeAnswer> {
    await this.logIn(timeoutMs);
    return await this.etcd.kv.range(request as IRangeRequest, { deadline: Date.now() + timeoutMs });
  }

  watch(request: WatchObserver): WatchHandle {
    this.#watches ??= new WatchStream(this.#streamSource, this.#clock);
    return this.#watches.watch(request);
  }

  /**
   * Makes a call on the connection that renewals use: if that breaks, or etcd says goodbye and waits for our streams
   * to end before it does, the client is left at once.
   */
  async #call<T>(timeoutMs: number, run: (options: { deadline: number }) => Promise<T>): Promise<T> {
    // Not even a turn is lost where there is nobody to log in.
    if (this.#user) await this.logIn(timeoutMs);
    const fresh = this.#keepAlive === undefined;
    this.#keepAlive ??= new KeepAliveStream(this.etcd, this.#onLeft);
    await this.#keepAlive.opened();
    const answer = await run({ deadline: Date.now() + (fresh ? firstCallTimeoutMs(timeoutMs) : timeoutMs) });
    if (fresh) await this.#listenForGoodbye("Lease");
    return answer;
  }

  readonly #streamSource: StreamSource = {
    openStream: async (timeoutMs) => {
      await this.logIn(timeoutMs);
      return await this.etcd.watchClient.watch();
    },
    opened: () => this.#listenForGoodbye("Watch"),
    failed: (reason) => this.#leave(reason),
  };

  /** Leaves the client once the connection of a service, which is up now, is left. */
  async #listenForGoodbye(service: "Lease" | "Watch"): Promise<void> {
    const { client: pool } = this.etcd.leaseClient as unknown as { client: ICallable<unknown> };
    const channel = await pool.withConnection(service, ({ client }) => {
      return (client as unknown as { getChannel(): Channel }).getChannel();
    });
    channel.watchConnectivityState(READY, Infinity, () => {
      // Not in the middle of what grpc-js does about it.
      setTimeout(() => this.#leave(new Error("14 UNAVAILABLE: etcd closed the connection")), 0);
    });
  }

  /** Reports that this client is of no use any more. */
  #leave(reason: Error): void {
    if (!this.#closed) this.#onLeft(reason);
  }

  /** The token, and what makes a member that lost its quorum end our streams instead of falling silent. */
  readonly #addMetadata: Interceptor = (options, nextCall) => {
    const call = nextCall(options);
    const start = call.start.bind(call);
    call.start = (metadata, listener) => {
      if (options.method_definition.responseStream) metadata.set("hasleader", "true");
      if (this.#token !== undefined) metadata.set("token", this.#token);
      start(metadata, listener);
    };
    return call as ReturnType<Interceptor>;
  };

  close(): void {
    this.#closed = true;
    this.#keepAlive?.close();
    this.#watches?.close();
    this.etcd.close();
  }
}

/** etcd's own protocol, gRPC. */
export const grpc: Transport = {
  connect: (options) => new GrpcClient(options),
  settled: sessionsClosed,
};

function credentials(tls: TlsOptions | undefined): IOptions["credentials"] {
  if (!tls?.ca && !tls?.cert) return undefined;
  const pem = (text: string | undefined) => text === undefined ? undefined : Buffer.from(text);
  // Without an authority of one's own, gRPC takes those of the runtime.
  return { rootCertificate: pem(tls.ca)!, privateKey: pem(tls.key), certChain: pem(tls.cert) };
}

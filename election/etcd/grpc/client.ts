import { Buffer } from "node:buffer";
import { Etcd3, type ICallable, type IOptions, type IRangeRequest, type ITxnRequest } from "etcd3";
import type { Refreshable, TlsOptions, UserOptions } from "../options.ts";
import type { Clock } from "../../machine/clock.ts";
import { MAX_ANSWER_BYTES } from "../limits.ts";
import { MAX_IDLE_MS } from "../../machine/deadline.ts";
import type {
  ClientOptions,
  EtcdClient,
  LeaseAnswer,
  Patience,
  RangeAnswer,
  RangeRequest,
  RangesAnswer,
  Transport,
  TxnAnswer,
  TxnRequest,
  WatchHandle,
  WatchObserver,
} from "../client.ts";
import { current } from "../credentials.ts";
import { rangesAnswer, rangesTxn } from "../ranges.ts";
import { connectionClosed, isAuthDisabled, storeError } from "../errors.ts";
import { type StreamSource, WatchStream } from "./watch.ts";
import { patchHttp2 } from "./http2_patch.ts";
import { allClosed, closeLater } from "./closing.ts";
import { KeepAliveStream } from "./keep_alive.ts";
import { whenLate } from "../turns.ts";

/** No retries and no circuit breaker in etcd3: they repeat writes and hide failures. The election itself retries. */
const noPolicy = {
  // Must be asynchronous: an error thrown synchronously would escape etcd3 and end the process.
  execute: async (run: (context: unknown) => unknown) => await run({}),
} as unknown as NonNullable<NonNullable<IOptions["faultHandling"]>["global"]>;

type CallOptions = Exclude<NonNullable<IOptions["defaultCallOptions"]>, (...args: never) => unknown>;
type Interceptor = NonNullable<CallOptions["interceptors"]>[number];

/** The part of a gRPC channel used here; etcd3 does not expose it. */
interface Channel {
  watchConnectivityState(current: number, deadline: number, changed: () => void): void;
}

/** The part of etcd3's connection pool used here; etcd3 does not expose it. */
interface Pool {
  readonly hosts: readonly {
    cachedServices: Record<string, { close(): void }>;
    resetAllServices(): void;
  }[];
  readonly authenticator: { invalidateMetadata(): void };
}

/** gRPC's `connectivityState.READY`. */
const READY = 2;

/** gRPC's `status.DEADLINE_EXCEEDED`. */
const DEADLINE_EXCEEDED = 4;

type Listener = NonNullable<Parameters<ReturnType<Parameters<Interceptor>[1]>["start"]>[1]>;

/** A listener that calls `first` before it hears of the call's end. */
function beforeStatus(listener: Listener, first: () => void): Listener {
  return {
    onReceiveMetadata: (metadata) => listener.onReceiveMetadata?.(metadata),
    onReceiveMessage: (message) => listener.onReceiveMessage?.(message),
    onReceiveStatus: (status) => {
      first();
      listener.onReceiveStatus?.(status);
    },
  };
}

let clients = 0;

/** A client over npm:etcd3, used only for its raw RPCs, with its own connection. */
export class GrpcClient implements EtcdClient {
  readonly endpoint: string;
  readonly etcd: Etcd3;
  readonly #user: Refreshable<UserOptions> | undefined;
  readonly #clock: Clock;
  readonly #onLeft: (reason: Error) => void;
  #loggingIn: Promise<void> | undefined;
  #token: string | undefined;
  #keepAlive: KeepAliveStream | undefined;
  /** That etcd itself answers. */
  #checked: Promise<void> | undefined;
  #watches: WatchStream | undefined;
  #answered = false;
  /** Whether a connection is established, and still there. */
  #connected = false;
  #idleTimer: ReturnType<typeof setTimeout> | undefined;
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
        // Unique: clients with equal options would share a connection and its back-off.
        "leader-node.client": ++clients,
        "grpc.enable_http_proxy": 0,
        // Retries repeat writes, and loop forever on a closed session.
        "grpc.enable_retries": 0,
        // A failed client is replaced: long back-offs would only leave timers behind.
        "grpc.initial_reconnect_backoff_ms": 1,
        "grpc.max_reconnect_backoff_ms": 100,
        "grpc.dns_min_time_between_resolutions_ms": 100,
        // Values of other programs may be large; but no answer is so large that it could fill the memory.
        "grpc.max_receive_message_length": MAX_ANSWER_BYTES,
        ...(tls?.serverName ? { "grpc.ssl_target_name_override": tls.serverName } : {}),
      },
    });
    const { client: { hosts, authenticator } } = this.etcd.leaseClient as unknown as { client: Pool };
    // With a rejected token, etcd3 would retry immediately with the same one, until the deadline.
    authenticator.invalidateMetadata = () => {
      throw new Error("16 UNAUTHENTICATED: etcdserver: invalid auth token");
    };
    // etcd3 would keep re-dialling connections that are still being established.
    for (const host of hosts) {
      host.resetAllServices = () => {
        for (const service of Object.values(host.cachedServices)) service.close();
        host.cachedServices = {};
      };
    }
  }

  /**
   * Authenticates the user, if there is one, on first use. etcd3 itself would do so over a separate connection that it
   * never closes. A token that is rejected later counts as a failure of this client: the next one authenticates again.
   */
  async logIn(deadline: number): Promise<void> {
    if (!this.#user) return;
    try {
      await (this.#loggingIn ??= this.#authenticate(this.#user, deadline));
    } catch (error) {
      this.#loggingIn = undefined;
      throw error;
    }
  }

  async #authenticate(option: Refreshable<UserOptions>, deadline: number): Promise<void> {
    const user = await current(option, deadline - Date.now());
    try {
      this.#token = (await this.etcd.auth.authenticate(user, { deadline })).token;
    } catch (error) {
      if (!isAuthDisabled(error)) throw error;
    }
  }

  grant(ttlSeconds: number, patience: Patience): Promise<LeaseAnswer> {
    return this.#call(patience, (deadline) => this.etcd.leaseClient.leaseGrant({ TTL: ttlSeconds }, { deadline }));
  }

  renew(leaseId: string, patience: Patience): Promise<LeaseAnswer> {
    return this.#call(patience, (deadline) => this.#keepAlive!.renew(leaseId, deadline - Date.now()));
  }

  async revoke(leaseId: string, patience: Patience): Promise<void> {
    await this.#call(patience, (deadline) => this.etcd.leaseClient.leaseRevoke({ ID: leaseId }, { deadline }));
  }

  txn(request: TxnRequest, patience: Patience): Promise<TxnAnswer> {
    return this.#call(patience, (deadline) => this.etcd.kv.txn(request as ITxnRequest, { deadline }));
  }

  async range(request: RangeRequest, { firstTimeoutMs }: Patience): Promise<RangeAnswer> {
    // With all the patience there is: the answer may be a long one.
    const deadline = Date.now() + firstTimeoutMs;
    await this.logIn(deadline);
    this.#checkOpen();
    return await this.etcd.kv.range(request as IRangeRequest, { deadline });
  }

  async ranges(requests: readonly RangeRequest[], { firstTimeoutMs }: Patience): Promise<RangesAnswer> {
    const deadline = Date.now() + firstTimeoutMs;
    await this.logIn(deadline);
    this.#checkOpen();
    return rangesAnswer(await this.etcd.kv.txn(rangesTxn(requests) as ITxnRequest, { deadline }) as TxnAnswer);
  }

  watch(request: WatchObserver): WatchHandle {
    this.#watches ??= new WatchStream(this.#streamSource, this.#clock);
    return this.#watches.watch(request);
  }

  /**
   * Makes a call on the connection of the renewals. If that breaks, or etcd sends GOAWAY and waits for our streams to
   * end, the client fails at once.
   */
  async #call<T>({ timeoutMs, firstTimeoutMs }: Patience, run: (deadline: number) => Promise<T>): Promise<T> {
    const deadline = Date.now() + (this.#answered ? timeoutMs : firstTimeoutMs);
    clearTimeout(this.#idleTimer);
    // Without a user, avoid the await.
    if (this.#user) await this.logIn(deadline);
    this.#checkOpen();
    this.#keepAlive ??= new KeepAliveStream(this.etcd, this.#onLeft);
    await this.#keepAlive.opened();
    this.#checkOpen();
    // At the same time as the first call: it costs no round trip.
    this.#checked ??= this.#keepAlive.refuseProxy(deadline - Date.now());
    const [answer] = await Promise.all([run(deadline), this.#checked]);
    if (!this.#answered) {
      this.#answered = true;
      await this.#watchForClose("Lease");
    }
    this.#useWhenIdle(timeoutMs);
    return answer;
  }

  /**
   * Uses the connection for calls when it has been idle for a while: networks forget idle connections without a word,
   * and the next call may be the one by which a candidate takes over. A serializable read is answered by the member
   * alone.
   */
  #useWhenIdle(timeoutMs: number): void {
    clearTimeout(this.#idleTimer);
    if (this.#closed) return;
    this.#idleTimer = setTimeout(async () => {
      const request = { key: Buffer.from([0]), serializable: true, keys_only: true };
      try {
        await this.etcd.kv.range(request, { deadline: Date.now() + timeoutMs });
      } catch (error) {
        const { failure } = storeError(error, this.endpoint);
        if (failure === "unreachable") return this.#fail(error as Error);
      }
      this.#useWhenIdle(timeoutMs);
    }, MAX_IDLE_MS);
  }

  readonly #streamSource: StreamSource = {
    openStream: async (timeoutMs) => {
      await this.logIn(Date.now() + timeoutMs);
      this.#checkOpen();
      return await this.etcd.watchClient.watch();
    },
    opened: () => this.#watchForClose("Watch"),
    failed: (reason) => this.#fail(reason),
  };

  /** A service that is first used when the client is closed would open a connection that nobody closes. */
  #checkOpen(): void {
    if (this.#closed) throw connectionClosed("the client was closed");
  }

  /** Fails the client once the established connection of a service is closed. */
  async #watchForClose(service: "Lease" | "Watch"): Promise<void> {
    if (this.#closed) return;
    const { client: pool } = this.etcd.leaseClient as unknown as { client: ICallable<unknown> };
    this.#connected = true;
    const channel = await pool.withConnection(service, ({ client }) => {
      return (client as unknown as { getChannel(): Channel }).getChannel();
    });
    channel.watchConnectivityState(READY, Infinity, () => {
      // Later: grpc-js is still handling the change.
      setTimeout(() => this.#fail(connectionClosed("etcd closed the connection")), 0);
    });
  }

  /** Reports that this client must be replaced. */
  #fail(reason: Error): void {
    this.#connected = false;
    if (!this.#closed) this.#onLeft(reason);
  }

  /** Adds the token, and `hasleader`: makes a member that lost its quorum end our streams instead of falling silent. */
  readonly #addMetadata: Interceptor = (options, nextCall) => {
    const timeoutMs = Number(options.deadline ?? Infinity) - Date.now();
    // The deadline is ours, as gRPC's does not wait for a busy loop to read the answer.
    const call = nextCall(timeoutMs === Infinity ? options : { ...options, deadline: Date.now() + 3 * timeoutMs });
    const start = call.start.bind(call);
    call.start = (metadata, listener) => {
      if (options.method_definition.responseStream) metadata.set("hasleader", "true");
      if (this.#token !== undefined) metadata.set("token", this.#token);
      if (timeoutMs === Infinity || !listener) return start(metadata, listener);
      const late = () => call.cancelWithStatus(DEADLINE_EXCEEDED, "the call was not answered");
      start(metadata, beforeStatus(listener, whenLate(timeoutMs, late)));
    };
    return call as ReturnType<Interceptor>;
  };

  close(): void {
    this.#closed = true;
    clearTimeout(this.#idleTimer);
    this.#keepAlive?.close();
    this.#watches?.close();
    closeLater(this.etcd, this.#connected);
  }
}

/** The gRPC transport. */
export const grpc: Transport = {
  connect: (options) => new GrpcClient(options),
  settled: allClosed,
};

function credentials(tls: TlsOptions | undefined): IOptions["credentials"] {
  if (!tls?.ca && !tls?.cert) return undefined;
  const pem = (text: string | undefined) => text === undefined ? undefined : Buffer.from(text);
  // Without `ca`, gRPC uses the CAs that the runtime trusts.
  return { rootCertificate: pem(tls.ca)!, privateKey: pem(tls.key), certChain: pem(tls.cert) };
}

import { Buffer } from "node:buffer";
import {
  AuthClient,
  type IRangeRequest,
  type ITxnRequest,
  KVClient,
  LeaseClient,
  MaintenanceClient,
  WatchClient,
} from "etcd3/lib/rpc.js";
import { type ChannelCredentials, credentials as channelCredentials, type Interceptor } from "@grpc/grpc-js";
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
import { EtcdChannel } from "./channel.ts";
import { patchHttp2 } from "./http2_patch.ts";
import { OwnSockets } from "./sockets.ts";
import { allClosed, closeLater } from "./closing.ts";
import { KeepAliveStream } from "./keep_alive.ts";
import { whenLate } from "../turns.ts";

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

/** etcd3's clients of etcd's services, on one connection. */
export interface Etcd {
  readonly kv: KVClient;
  readonly lease: LeaseClient;
  readonly watch: WatchClient;
  readonly auth: AuthClient;
  readonly maintenance: MaintenanceClient;
}

/** A client over npm:etcd3, used only for its raw RPCs, with its own connection. */
export class GrpcClient implements EtcdClient {
  readonly endpoint: string;
  readonly etcd: Etcd;
  readonly #channel: EtcdChannel;
  readonly #sockets: OwnSockets = new OwnSockets();
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
    const secure = this.#sockets.tracked(credentialsOf(endpoint, tls));
    this.#channel = new EtcdChannel(endpoint.replace(/^https?:\/\//, ""), secure, {
      interceptors: [this.#addMetadata],
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
    });
    this.etcd = {
      kv: new KVClient(this.#channel),
      lease: new LeaseClient(this.#channel),
      watch: new WatchClient(this.#channel),
      auth: new AuthClient(this.#channel),
      maintenance: new MaintenanceClient(this.#channel),
    };
  }

  /**
   * Authenticates the user, if there is one, on first use. A token that is rejected later counts as a failure of this client: the next one authenticates again.
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
    return this.#call(patience, (deadline) => this.etcd.lease.leaseGrant({ TTL: ttlSeconds }, { deadline }));
  }

  renew(leaseId: string, patience: Patience): Promise<LeaseAnswer> {
    return this.#call(patience, (deadline) => this.#keepAlive!.renew(leaseId, deadline - Date.now()));
  }

  async revoke(leaseId: string, patience: Patience): Promise<void> {
    await this.#call(patience, (deadline) => this.etcd.lease.leaseRevoke({ ID: leaseId }, { deadline }));
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
    this.#keepAlive ??= new KeepAliveStream(this.etcd.lease, this.#onLeft);
    await this.#keepAlive.opened();
    this.#checkOpen();
    // At the same time as the first call: it costs no round trip.
    this.#checked ??= this.#keepAlive.refuseProxy(deadline - Date.now());
    const [answer] = await Promise.all([run(deadline), this.#checked]);
    if (!this.#answered) {
      this.#answered = true;
      this.#watchForClose();
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
      return await this.etcd.watch.watch();
    },
    opened: () => this.#watchForClose(),
    failed: (reason) => this.#fail(reason),
  };

  /** A service that is first used when the client is closed would open a connection that nobody closes. */
  #checkOpen(): void {
    if (this.#closed) throw connectionClosed("the client was closed");
  }

  /** Fails the client once the connection, which is established, is closed. */
  #watchForClose(): void {
    if (this.#closed || this.#connected) return;
    this.#connected = true;
    // Later: grpc-js is still handling the change.
    const lost = () => setTimeout(() => this.#fail(connectionClosed("etcd closed the connection")), 0);
    this.#channel.onceLost(lost);
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
    closeLater(this.#channel, this.#sockets, this.#connected);
  }
}

/** The gRPC transport. */
export const grpc: Transport = {
  connect: (options) => new GrpcClient(options),
  settled: allClosed,
};

function credentialsOf(endpoint: string, tls: TlsOptions | undefined): ChannelCredentials {
  if (!endpoint.startsWith("https:")) return channelCredentials.createInsecure();
  const pem = (text: string | undefined) => text === undefined ? null : Buffer.from(text);
  // Without `ca`, gRPC uses the CAs that the runtime trusts.
  return channelCredentials.createSsl(pem(tls?.ca), pem(tls?.key), pem(tls?.cert));
}

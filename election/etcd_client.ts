import { Buffer } from "node:buffer";
import { Etcd3, type ICallable, type IOptions } from "etcd3";
import { guardHttp2 } from "./http2_guard.ts";
import { KeepAliveStream } from "./keep_alive_stream.ts";
import type { TlsOptions, UserOptions } from "./access.ts";
import { StoreError } from "./store.ts";

/** etcd3's retries and circuit breaker repeat writes and hide failures; every retry here is the election's. */
const noPolicy = {
  // It must be asynchronous: an error thrown at once would escape etcd3 and end the process.
  execute: async (run: (context: unknown) => unknown) => await run({}),
} as unknown as NonNullable<NonNullable<IOptions["faultHandling"]>["global"]>;

type CallOptions = Exclude<NonNullable<IOptions["defaultCallOptions"]>, (...args: never) => unknown>;
type Interceptor = NonNullable<CallOptions["interceptors"]>[number];

/** What a client needs to be let in. */
export interface EtcdAccess {
  readonly tls?: TlsOptions;
  readonly user?: UserOptions;
}

/** What is needed of a gRPC channel; etcd3 has it, but does not show it. */
interface Channel {
  watchConnectivityState(current: number, deadline: number, left: () => void): void;
}

/** `connectivityState.READY` of gRPC: the connection stands. */
const READY = 2;

let clients = 0;

/** A client of its own connection to one endpoint, given up and made anew at the first doubt. */
export class EtcdClient {
  readonly endpoint: string;
  readonly etcd: Etcd3;
  readonly #user: UserOptions | undefined;
  #loggingIn: Promise<void> | undefined;
  #token: string | undefined;
  #keepAlive: KeepAliveStream | undefined;
  #closed = false;

  constructor(endpoint: string, { tls, user }: EtcdAccess = {}) {
    guardHttp2();
    this.endpoint = endpoint;
    this.#user = user;
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
    );
    try {
      await this.#loggingIn;
    } catch (error) {
      this.#loggingIn = undefined;
      throw error;
    }
  }

  /**
   * Calls back once when the connection of a service, which stands now, is left: it broke, or etcd said
   * goodbye and waits for our streams to end before it does.
   */
  async onLeft(service: "Lease" | "Watch", left: () => void): Promise<void> {
    const { client: pool } = this.etcd.leaseClient as unknown as { client: ICallable<unknown> };
    const channel = await pool.withConnection(service, ({ client }) => {
      return (client as unknown as { getChannel(): Channel }).getChannel();
    });
    channel.watchConnectivityState(READY, Infinity, () => {
      // Not in the middle of what grpc-js does about it.
      if (!this.#closed) setTimeout(() => this.#closed || left(), 0);
    });
  }

  /** The stream for renewals, if it is open. */
  get keepAlive(): KeepAliveStream | undefined {
    return this.#keepAlive;
  }

  /** Opens the stream for renewals; `onEnd` is told when it ends by itself. */
  openKeepAlive(onEnd: () => void): KeepAliveStream {
    this.#keepAlive = new KeepAliveStream(this.etcd, onEnd);
    return this.#keepAlive;
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
    this.etcd.close();
  }
}

function credentials(tls: TlsOptions | undefined): IOptions["credentials"] {
  if (!tls?.ca && !tls?.cert) return undefined;
  const pem = (text: string | undefined) => text === undefined ? undefined : Buffer.from(text);
  // Without an authority of one's own, gRPC takes those of the runtime.
  return { rootCertificate: pem(tls.ca)!, privateKey: pem(tls.key), certChain: pem(tls.cert) };
}

/** What went wrong, for the election and for a person. */
export function storeError(error: unknown, endpoint: string): StoreError {
  if (error instanceof StoreError) return error;
  const text = error instanceof Error ? error.message : String(error);
  const host = endpoint.replace(/^https?:\/\//, "");
  const [, code, detail = text] = /(\d+) [A-Z_]+: (.*)/s.exec(text) ?? [];
  const cause = { cause: error };
  if (text.includes("requested lease not found")) return new StoreError("lease-gone", `the lease is gone`, cause);
  if (code === "4") return new StoreError("unreachable", `etcd at ${host} does not answer`, cause);
  const answered = /etcdserver: (.*)/.exec(text)?.[1];
  if (answered !== undefined) {
    const lasting = code !== "14" && !answered.includes("invalid auth token");
    return new StoreError(lasting ? "refused" : "unreachable", `etcd at ${host} answers: ${answered}`, cause);
  }
  return new StoreError("unreachable", `etcd at ${host} cannot be reached: ${shortReason(detail)}`, cause);
}

/** What TLS says, and what it means to a person. */
const TLS_REASONS: readonly [sign: string, reason: string][] = [
  [
    "must not be an IP address",
    "TLS needs a host name as the endpoint, or a server name for the IP address",
  ],
  ["unable to verify the first certificate", "its certificate is not signed by the given authority, or has expired"],
  ["self-signed certificate", "its certificate is not signed by the given authority"],
  ["certificate has expired", "its certificate has expired"],
  ["ERR_TLS_CERT_ALTNAME_INVALID", "its certificate is for another name"],
  ["does not match certificate's altnames", "its certificate is for another name"],
  ["write EPIPE", "it hung up during TLS: it may want a client certificate that it trusts"],
  ["CertificateRequired", "it wants a client certificate"],
  ["BadCertificate", "it does not trust the client certificate"],
  ["UnknownCA", "it does not trust the client certificate"],
  ["unsupported protocol", "the client certificate and its key do not fit together"],
];

function shortReason(detail: string): string {
  if (detail.includes("ECONNREFUSED")) return "connection refused";
  if (detail.includes("RST_STREAM") || detail.includes("ECONNRESET")) return "connection closed";
  for (const [sign, reason] of TLS_REASONS) if (detail.includes(sign)) return reason;
  const last = /Last error: (?:Error: )?(.*?)\.? Resolution note:/s.exec(detail)?.[1] ?? detail;
  return last.replaceAll(/\s+/g, " ").slice(0, 200);
}

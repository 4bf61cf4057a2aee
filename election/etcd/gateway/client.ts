import type { TlsOptions, UserOptions } from "../options.ts";
import type { Clock } from "../../machine/clock.ts";
import { firstCallTimeoutMs } from "../../machine/deadline.ts";
import { deferred } from "../../deferred.ts";
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
import { isOpenToAll, silent } from "../errors.ts";
import { fromJson, type Json, rangeAnswer, toJson, txnAnswer } from "./json.ts";
import { watchByGateway } from "./watch.ts";

/** etcd over its JSON gateway, by `fetch`. */
export class GatewayClient implements EtcdClient {
  readonly endpoint: string;
  readonly #tls: TlsOptions | undefined;
  #http: HttpClient | undefined;
  readonly #user: UserOptions | undefined;
  readonly #clock: Clock;
  readonly #underWay = new Map<AbortController, Promise<unknown>>();
  #token: Promise<string | undefined> | undefined;
  #answered = false;
  #closed = false;

  constructor({ endpoint, credentials: { tls, user }, clock }: ClientOptions) {
    this.endpoint = endpoint;
    this.#user = user;
    this.#clock = clock;
    this.#tls = tls;
  }

  async grant(ttlSeconds: number, timeoutMs: number): Promise<LeaseAnswer> {
    return leaseAnswer(await this.call("lease/grant", { TTL: String(ttlSeconds) }, timeoutMs));
  }

  async renew(leaseId: string, timeoutMs: number): Promise<LeaseAnswer> {
    const { result } = await this.call("lease/keepalive", { ID: leaseId }, timeoutMs);
    return leaseAnswer(result as Json);
  }

  async revoke(leaseId: string, timeoutMs: number): Promise<void> {
    await this.call("lease/revoke", { ID: leaseId }, timeoutMs);
  }

  async txn(request: TxnRequest, timeoutMs: number): Promise<TxnAnswer> {
    return txnAnswer(await this.call("kv/txn", request, timeoutMs));
  }

  async range(request: RangeRequest, timeoutMs: number): Promise<RangeAnswer> {
    return rangeAnswer(await this.call("kv/range", request, timeoutMs));
  }

  watch(request: WatchObserver): WatchHandle {
    return watchByGateway(this, request, this.#clock);
  }

  /** One question, one answer. */
  async call(path: string, body: unknown, timeoutMs: number): Promise<Json> {
    // Not even a turn is lost where there is nobody to log in.
    const token = this.#user && await this.#logIn(timeoutMs);
    return await this.#post(path, body, timeoutMs, token);
  }

  /** One question, and the lines of an answer that goes on, until it ends or the controller aborts. */
  async *lines(path: string, body: unknown, timeoutMs: number, controller: AbortController): AsyncGenerator<Json> {
    const token = await this.#logIn(timeoutMs);
    const { promise, resolve } = deferred();
    this.#underWay.set(controller, promise);
    try {
      const response = await this.#fetch(path, body, controller.signal, token);
      if (!response.ok) throw failed(response.status, await response.text());
      const reader = response.body!.getReader();
      const decoder = new TextDecoder();
      const begun: string[] = [];
      for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
        const [end, ...next] = decoder.decode(piece.value, { stream: true }).split("\n");
        begun.push(end!);
        // Joined once, at its end: a line may be long, and come in many pieces.
        for (const start of next) {
          const line = begun.splice(0, Infinity, start).join("");
          if (line !== "") yield answered(line, response.status);
        }
      }
    } catch (error) {
      throw explained(error);
    } finally {
      this.#underWay.delete(controller);
      resolve();
    }
    throw new Error("14 UNAVAILABLE: the stream ended");
  }

  close(): void {
    this.#closed = true;
    const ended: Promise<unknown> = Promise.all(this.#underWay.values()).then(() => closing.delete(ended));
    closing.add(ended);
    const left = new Error("14 UNAVAILABLE: another request has failed");
    for (const controller of this.#underWay.keys()) controller.abort(left);
    this.#http?.close();
    this.#http = undefined;
  }

  async #logIn(timeoutMs: number): Promise<string | undefined> {
    if (!this.#user) return undefined;
    this.#token ??= this.#post("auth/authenticate", this.#user, timeoutMs).then(
      ({ token }) => String(token),
      (error) => {
        if (isOpenToAll(error)) return undefined;
        throw error;
      },
    );
    try {
      return await this.#token;
    } catch (error) {
      this.#token = undefined;
      throw error;
    }
  }

  async #post(path: string, body: unknown, timeoutMs: number, token?: string): Promise<Json> {
    const controller = new AbortController();
    const patience = this.#answered ? timeoutMs : firstCallTimeoutMs(timeoutMs);
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      controller.abort();
    }, patience);
    const { promise, resolve } = deferred();
    this.#underWay.set(controller, promise);
    try {
      const response = await this.#fetch(path, body, controller.signal, token);
      const text = await response.text();
      this.#answered = true;
      if (!response.ok) throw failed(response.status, text);
      return answered(text, response.status);
    } catch (error) {
      throw late ? silent("it was not answered") : explained(error);
    } finally {
      clearTimeout(timer);
      this.#underWay.delete(controller);
      resolve();
    }
  }

  #fetch(path: string, body: unknown, signal: AbortSignal, token: string | undefined): Promise<Response> {
    if (this.#closed) throw new Error("1 CANCELLED: the client was closed");
    this.#http ??= createHttpClient(this.endpoint, this.#tls);
    // A member without a quorum shall end our streams instead of falling silent.
    const headers: Record<string, string> = { "grpc-metadata-hasleader": "true" };
    if (token !== undefined) headers.authorization = token;
    const init = {
      method: "POST",
      headers,
      body: toJson(body),
      signal,
      redirect: "error",
      client: this.#http,
    } as const;
    return fetch(`${this.endpoint}/v3/${path}`, init);
  }
}

/** The calls of clients that were closed. */
const closing = new Set<Promise<unknown>>();

/** etcd's JSON gateway, as a way to speak to it that needs no library. */
export const gateway: Transport = {
  connect: (options) => new GatewayClient(options),
  settled: async () => {
    await Promise.all(closing);
  },
};

interface HttpClient {
  close(): void;
}

interface HttpClientOptions {
  readonly proxy?: { readonly transport: "tcp"; readonly hostname: string; readonly port: number };
  readonly caCerts?: string[];
  readonly cert?: string;
  readonly key?: string;
  readonly poolIdleTimeout: false;
  readonly poolMaxIdlePerHost: number;
}

/** Deno's; other runtimes have a `fetch` that cannot be told as much. */
function createHttpClient(endpoint: string, tls: TlsOptions | undefined): HttpClient | undefined {
  const { Deno: deno } = globalThis as { Deno?: { createHttpClient(options: HttpClientOptions): HttpClient } };
  const { protocol, hostname, port } = new URL(endpoint);
  // Straight to etcd, whatever HTTP_PROXY says. With TLS, Deno has no such way.
  const proxy = { transport: "tcp", hostname: hostname.replace(/^\[|\]$/g, ""), port: Number(port || 80) } as const;
  return deno?.createHttpClient({
    poolIdleTimeout: false,
    // A thousand elections renew at once, now and then; what they need for that need not stay.
    poolMaxIdlePerHost: 8,
    ...(protocol === "http:" ? { proxy } : {}),
    ...(tls?.ca === undefined ? {} : { caCerts: [tls.ca] }),
    ...(tls?.cert === undefined ? {} : { cert: tls.cert, key: tls.key }),
  });
}

function leaseAnswer({ ID, TTL = "0" }: Json): LeaseAnswer {
  return { ID: String(ID), TTL: String(TTL) };
}

function answered(text: string, status: number): Json {
  const answer = fromJson(text);
  if (!answer || answer.error !== undefined) throw failed(status, text);
  return answer;
}

/** etcd's error, in the form that gRPC has for it. */
function failed(status: number, text: string): Error {
  const answer = fromJson(text);
  const error = typeof answer?.error === "object" ? answer.error as Json : answer;
  const message = error?.message ?? error?.error;
  const code = Number(error?.grpc_code ?? error?.code ?? 14);
  if (typeof message === "string" && message !== "Not Found") return new Error(`${code} GATEWAY: ${message}`);
  return status === 404
    ? new Error(
      "14 GATEWAY: etcdserver: the JSON gateway is disabled; start etcd with --enable-grpc-gateway or use transport grpc",
    )
    : new Error(`14 GATEWAY: the server answered with HTTP status ${status}`);
}

/** What `fetch` says when nobody answers. */
function explained(error: unknown): Error {
  if (error instanceof Error && /^\d+ [A-Z_]+: /.test(error.message)) return error;
  const { message, cause } = error as Error;
  return new Error(`14 UNAVAILABLE: ${cause instanceof Error ? cause.message : message}`, { cause: error });
}

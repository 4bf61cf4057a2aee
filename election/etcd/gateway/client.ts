import type { Refreshable, TlsOptions, UserOptions } from "../options.ts";
import type { Clock } from "../../machine/clock.ts";
import { deferred } from "../../deferred.ts";
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
import { connectionClosed, deadlineExceeded, isAuthDisabled } from "../errors.ts";
import { type Http, openHttp } from "./http.ts";
import { fromJson, type Json, rangeAnswer, toJson, txnAnswer } from "./json.ts";
import { readLines, readText } from "./body.ts";
import { watchByGateway } from "./watch.ts";
import { whenLate } from "../turns.ts";

/** etcd over its JSON gateway. */
export class GatewayClient implements EtcdClient {
  readonly endpoint: string;
  readonly #tls: TlsOptions | undefined;
  #http: Http | undefined;
  readonly #user: Refreshable<UserOptions> | undefined;
  readonly #clock: Clock;
  readonly #pending = new Map<AbortController, Promise<unknown>>();
  #token: Promise<string | undefined> | undefined;
  /** How long the first answer took, with connecting. */
  #firstTookMs: number | undefined;
  #closed = false;

  constructor({ endpoint, credentials: { tls, user }, clock }: ClientOptions) {
    this.endpoint = endpoint;
    this.#user = user;
    this.#clock = clock;
    this.#tls = tls;
  }

  async grant(ttlSeconds: number, patience: Patience): Promise<LeaseAnswer> {
    return leaseAnswer(await this.call("lease/grant", { TTL: String(ttlSeconds) }, patience));
  }

  async renew(leaseId: string, patience: Patience): Promise<LeaseAnswer> {
    const { result } = await this.call("lease/keepalive", { ID: leaseId }, patience);
    return leaseAnswer(result as Json);
  }

  async revoke(leaseId: string, patience: Patience): Promise<void> {
    await this.call("lease/revoke", { ID: leaseId }, patience);
  }

  async txn(request: TxnRequest, patience: Patience): Promise<TxnAnswer> {
    return txnAnswer(await this.call("kv/txn", request, patience));
  }

  async range(request: RangeRequest, patience: Patience): Promise<RangeAnswer> {
    return rangeAnswer(await this.call("kv/range", request, patience));
  }

  async ranges(requests: readonly RangeRequest[], patience: Patience): Promise<RangesAnswer> {
    return rangesAnswer(txnAnswer(await this.call("kv/txn", rangesTxn(requests), patience)));
  }

  watch(request: WatchObserver): WatchHandle {
    return watchByGateway(this, request, this.#clock);
  }

  /** A request with a single response. */
  async call(path: string, body: unknown, patience: Patience): Promise<Json> {
    const deadline = performance.now() + this.#patienceMs(patience);
    // Without a user, avoid the await.
    const token = this.#user && await this.#logIn(deadline);
    return await this.#post(path, body, deadline, token);
  }

  /** Any request may need a new connection, so the patience for it follows from how long the first one took. */
  #patienceMs({ timeoutMs, firstTimeoutMs }: Patience): number {
    return Math.max(timeoutMs, Math.min(firstTimeoutMs, 2 * (this.#firstTookMs ?? Infinity)));
  }

  /** A request with a stream of lines as its response, until that ends or the controller aborts it. */
  async *lines(path: string, body: unknown, timeoutMs: number, controller: AbortController): AsyncGenerator<Json> {
    const token = await this.#logIn(performance.now() + timeoutMs);
    const { promise, resolve } = deferred();
    this.#pending.set(controller, promise);
    try {
      const from = performance.now();
      const response = await this.#fetch(path, body, controller.signal, token);
      this.#firstTookMs ??= performance.now() - from;
      if (!response.ok) throw gatewayError(response.status, await readText(response, controller.signal));
      for await (const line of readLines(response, controller.signal)) yield parseAnswer(line, response.status);
    } catch (error) {
      throw unavailable(error);
    } finally {
      this.#pending.delete(controller);
      resolve();
    }
    throw connectionClosed("the stream ended");
  }

  close(): void {
    this.#closed = true;
    const ended: Promise<unknown> = Promise.all(this.#pending.values()).then(() => closing.delete(ended));
    closing.add(ended);
    const reason = new Error("14 UNAVAILABLE: another request has failed");
    for (const controller of this.#pending.keys()) controller.abort(reason);
    this.#http?.close();
    this.#http = undefined;
  }

  async #logIn(deadline: number): Promise<string | undefined> {
    if (!this.#user) return undefined;
    try {
      return await (this.#token ??= this.#authenticate(this.#user, deadline));
    } catch (error) {
      this.#token = undefined;
      throw error;
    }
  }

  async #authenticate(option: Refreshable<UserOptions>, deadline: number): Promise<string | undefined> {
    const user = await current(option, deadline - performance.now());
    try {
      return String((await this.#post("auth/authenticate", user, deadline)).token);
    } catch (error) {
      if (!isAuthDisabled(error)) throw error;
    }
  }

  async #post(path: string, body: unknown, deadline: number, token?: string): Promise<Json> {
    const controller = new AbortController();
    const from = performance.now();
    let late = false;
    let answered = () => {};
    const { promise, resolve } = deferred();
    this.#pending.set(controller, promise);
    try {
      const sent = this.#fetch(path, body, controller.signal, token);
      answered = whenLate(deadline - from, () => {
        late = true;
        controller.abort();
      });
      const response = await sent;
      const text = await readText(response, controller.signal);
      this.#firstTookMs ??= performance.now() - from;
      if (!response.ok) throw gatewayError(response.status, text);
      return parseAnswer(text, response.status);
    } catch (error) {
      throw late ? deadlineExceeded("the request was not answered") : unavailable(error);
    } finally {
      answered();
      this.#pending.delete(controller);
      resolve();
    }
  }

  #fetch(path: string, body: unknown, signal: AbortSignal, token: string | undefined): Promise<Response> {
    if (this.#closed) throw new Error("1 CANCELLED: the client was closed");
    this.#http ??= openHttp(this.endpoint, this.#tls);
    // Makes a member that lost its quorum end our streams instead of falling silent.
    const headers: Record<string, string> = { "grpc-metadata-hasleader": "true" };
    if (token !== undefined) headers.authorization = token;
    return this.#http.post(`${this.endpoint}/v3/${path}`, { headers, body: toJson(body), signal });
  }
}

/** The pending requests of closed clients. */
const closing = new Set<Promise<unknown>>();

/** The transport over etcd's JSON gateway, which needs no library. */
export const gateway: Transport = {
  connect: (options) => new GatewayClient(options),
  settled: async () => {
    await Promise.all(closing);
  },
};

function leaseAnswer({ ID, TTL = "0" }: Json): LeaseAnswer {
  return { ID: String(ID), TTL: String(TTL) };
}

function parseAnswer(text: string, status: number): Json {
  const answer = fromJson(text);
  if (!answer || answer.error !== undefined) throw gatewayError(status, text);
  return answer;
}

const GATEWAY_DISABLED = "the JSON gateway is disabled; start etcd with --enable-grpc-gateway or use transport grpc";

/** etcd's error, with its gRPC code. */
function gatewayError(status: number, text: string): Error {
  const answer = fromJson(text);
  const error = typeof answer?.error === "object" ? answer.error as Json : answer;
  const message = error?.message ?? error?.error;
  const code = Number(error?.grpc_code ?? error?.code ?? 14);
  if (typeof message === "string" && message !== "Not Found") return new Error(`${code} GATEWAY: ${message}`);
  return new Error(
    status === 404
      ? `14 GATEWAY: etcdserver: ${GATEWAY_DISABLED}`
      : `14 GATEWAY: the server answered with HTTP status ${status}`,
  );
}

/** The error of a failed `fetch`, with a gRPC code. */
function unavailable(error: unknown): Error {
  if (error instanceof Error && /^\d+ [A-Z_]+: /.test(error.message)) return error;
  const { message, cause } = error as Error;
  return new Error(`14 UNAVAILABLE: ${cause instanceof Error ? cause.message : message}`, { cause: error });
}

import type { ICallable } from "etcd3/lib/rpc.js";
import {
  type CallOptions,
  type ChannelCredentials,
  type ChannelOptions,
  type Client,
  type Interceptor,
  makeClientConstructor,
  Metadata,
} from "@grpc/grpc-js";
import { METHODS } from "./messages.ts";
import { decode, encode } from "./wire.ts";

type Call = (
  params: unknown,
  metadata: Metadata,
  options: CallOptions,
  done: (error: Error | null, answer: unknown) => void,
) => void;

const EtcdMethods = makeClientConstructor(
  Object.fromEntries(
    Object.entries(METHODS).map(([name, [path, request, response, streams]]) => [name, {
      path: `/etcdserverpb.${path}`,
      requestStream: streams !== undefined,
      responseStream: streams !== undefined,
      requestSerialize: (message) => encode(request, message),
      requestDeserialize: (bytes) => decode(request, bytes),
      responseSerialize: (message) => encode(response, message),
      responseDeserialize: (bytes) => decode(response, bytes),
    }]),
  ),
  "etcd",
);

/**
 * A connection for etcd3's clients of etcd's services, in place of etcd3's own pool. That parses etcd's protocol at each
 * start, repeats writes, hides failures behind circuit breakers, and dials again while it is being closed.
 */
export class EtcdChannel implements ICallable<undefined> {
  readonly callOptionsFactory: undefined;
  readonly #client: Client;

  constructor(
    address: string,
    credentials: ChannelCredentials,
    options: ChannelOptions & { readonly interceptors: Interceptor[] },
  ) {
    this.#client = new EtcdMethods(address, credentials, options);
  }

  exec<T>(_service: string, method: string, params: unknown, options: CallOptions = {}): Promise<T> {
    return new Promise((resolve, reject) => {
      const call = (this.#client as unknown as Record<string, Call>)[method]!;
      const done = (error: Error | null, answer: unknown) => error ? reject(error) : resolve(answer as T);
      call.call(this.#client, params, new Metadata(), options, done);
    });
  }

  async withConnection<R>(
    _service: string,
    run: (connection: { resource: undefined; client: Client; metadata: Metadata }) => Promise<R> | R,
  ): Promise<R> {
    return await run({ resource: undefined, client: this.#client, metadata: new Metadata() });
  }

  /** A failed client is replaced as a whole. */
  markFailed(): void {}

  /** Calls once the connection, which is there, is lost. */
  onceLost(lost: () => void): void {
    this.#client.getChannel().watchConnectivityState(READY, Infinity, lost);
  }

  close(): void {
    this.#client.close();
  }
}

/** gRPC's `connectivityState.READY`. */
const READY = 2;

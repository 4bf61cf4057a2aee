import { Etcd3, type ICallable, type IOptions } from "etcd3";
import { StoreError } from "./store.ts";

/** etcd3's retries and circuit breaker repeat writes and hide failures; every retry here is the election's. */
const noPolicy = {
  // It must be asynchronous: an error thrown at once would escape etcd3 and end the process.
  execute: async (run: (context: unknown) => unknown) => await run({}),
} as unknown as NonNullable<NonNullable<IOptions["faultHandling"]>["global"]>;

type CallOptions = Exclude<NonNullable<IOptions["defaultCallOptions"]>, (...args: never) => unknown>;
type Interceptor = NonNullable<CallOptions["interceptors"]>[number];

/** Makes a member that lost its quorum end our streams instead of falling silent. */
const hasLeader: Interceptor = (options, nextCall) => {
  const call = nextCall(options);
  const start = call.start.bind(call);
  call.start = (metadata, listener) => {
    metadata.set("hasleader", "true");
    start(metadata, listener);
  };
  return call as ReturnType<Interceptor>;
};

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
  #closed = false;

  constructor(endpoint: string) {
    this.endpoint = endpoint;
    this.etcd = new Etcd3({
      hosts: endpoint,
      defaultCallOptions: ({ isStream }) => isStream ? { interceptors: [hasLeader] } : {},
      faultHandling: { host: () => noPolicy, global: noPolicy },
      grpcOptions: {
        // Clients with equal options share a connection and its back-off; ours must not.
        "leader-node.client": ++clients,
        "grpc.enable_http_proxy": 0,
        "grpc.initial_reconnect_backoff_ms": 1,
        "grpc.max_reconnect_backoff_ms": 1000,
        // A list with huge foreign values is no reason to go blind.
        "grpc.max_receive_message_length": -1,
      },
    });
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
      // Out of the callback in which Deno frees what we would use; see KeepAliveStream.
      if (!this.#closed) setTimeout(() => this.#closed || left(), 0);
    });
  }

  close(): void {
    this.#closed = true;
    this.etcd.close();
  }
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

function shortReason(detail: string): string {
  if (detail.includes("ECONNREFUSED")) return "connection refused";
  if (detail.includes("RST_STREAM") || detail.includes("ECONNRESET")) return "connection closed";
  const last = /Last error: (?:Error: )?(.*?)\.? Resolution note:/s.exec(detail)?.[1] ?? detail;
  return last.replaceAll(/\s+/g, " ").slice(0, 200);
}

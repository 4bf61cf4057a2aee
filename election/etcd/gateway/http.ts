import type { TlsOptions } from "../options.ts";
import type { HttpRequest, PoolOptions } from "./pinned.ts";

/** Sends requests over connections of its own. */
export interface Http {
  post(url: string, request: HttpRequest): Promise<Response>;
  close(): void;
}

const POOL: PoolOptions = {
  // Networks forget idle connections without a word. Longer than from one probe to the next.
  idleMs: 4000,
  // Many elections may renew at the same time: do not keep all of those connections.
  maxIdle: 8,
};

/** Requests to an endpoint. */
export function openHttp(endpoint: string, tls: TlsOptions | undefined): Http {
  return tls?.ca === undefined ? byFetch(endpoint, tls) : pinned(tls);
}

function pinned(tls: TlsOptions): Http {
  // Loaded only by those that need it.
  const http = import("./pinned.ts").then(({ PinnedHttp }) => new PinnedHttp(tls, POOL));
  return {
    post: async (url, request) => await (await http).post(url, request),
    close: () => void http.then((http) => http.close()),
  };
}

interface FetchClient {
  close(): void;
}

interface FetchClientOptions {
  readonly proxy?: { readonly transport: "tcp"; readonly hostname: string; readonly port: number };
  readonly cert?: string;
  readonly key?: string;
  readonly poolIdleTimeout: number;
  readonly poolMaxIdlePerHost: number;
}

/** Deno's HTTP client; `fetch` of other runtimes does not support these options. */
function byFetch(endpoint: string, tls: TlsOptions | undefined): Http {
  const { Deno: deno } = globalThis as { Deno?: { createHttpClient(options: FetchClientOptions): FetchClient } };
  const { protocol, hostname, port } = new URL(endpoint);
  // Bypasses HTTP_PROXY. Deno has no way to do so with TLS. An IPv6 address keeps its brackets here.
  const proxy = { transport: "tcp", hostname, port: Number(port || 80) } as const;
  const client = deno?.createHttpClient({
    poolIdleTimeout: POOL.idleMs,
    poolMaxIdlePerHost: POOL.maxIdle,
    ...(protocol === "http:" ? { proxy } : {}),
    ...(tls?.cert === undefined ? {} : { cert: tls.cert, key: tls.key }),
  });
  return {
    post: (url, request) => {
      const init = { ...request, method: "POST", redirect: "error", client } as const;
      return fetch(url, init);
    },
    close: () => client?.close(),
  };
}

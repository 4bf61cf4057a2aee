import { ListenError } from "./listen_error.ts";

export interface ServeOptions {
  readonly port: number;
  readonly hostname: string;
  readonly handler: (request: Request, client: { readonly remoteAddr: Deno.NetAddr }) => Response | Promise<Response>;
  /** Called first when the server closes, to end open streams. */
  readonly onClose: () => void;
  /** Certificate and private key for HTTPS, as PEM texts. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** Called with an error that the handler throws; the client gets a 500. */
  readonly onError: (error: unknown) => void;
}

/** A node's HTTP server. */
export interface NodeServer {
  /** The port it listens on; never 0. */
  readonly port: number;
  /** Accepts no more requests and waits at most `graceMs` for those that are open. */
  close(graceMs: number): Promise<void>;
}

/**
 * Starts an HTTP or HTTPS server.
 *
 * @throws {ListenError} If the port cannot be opened.
 */
export function serve(options: ServeOptions): NodeServer {
  const server = listen(options);
  return {
    port: server.addr.port,
    async close(graceMs) {
      options.onClose();
      const grace = Promise.withResolvers<void>();
      const timer = setTimeout(grace.resolve, graceMs);
      await Promise.race([server.shutdown(), grace.promise]);
      clearTimeout(timer);
    },
  };
}

function listen({ port, hostname, handler, tls, onError }: ServeOptions): Deno.HttpServer<Deno.NetAddr> {
  try {
    return Deno.serve({
      port,
      hostname,
      ...tls,
      onListen: () => {},
      onError: (error) => {
        onError(error);
        return new Response("internal error\n", { status: 500, headers: { "cache-control": "no-store" } });
      },
    }, handler);
  } catch (error) {
    throw new ListenError(`cannot listen on ${hostname} port ${port}: ${reason(error)}`, { cause: error });
  }
}

function reason(error: unknown): string {
  if (error instanceof Deno.errors.AddrInUse) {
    return "the port is in use; choose another with --port, or a free one with --port 0";
  }
  if (error instanceof Deno.errors.AddrNotAvailable) return "this machine has no such address; check --hostname";
  return error instanceof Error ? error.message : String(error);
}

import { ListenError } from "./listen_error.ts";

/** What a server needs. */
export interface ServeOptions {
  readonly port: number;
  readonly hostname: string;
  readonly handler: (request: Request) => Response | Promise<Response>;
  /** Called first when the server closes, to end what would go on for ever. */
  readonly onClose: () => void;
  /** The certificate and key to serve HTTPS with, as PEM texts. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** Told of an error in an answer; whoever asked gets a 500. */
  readonly onError: (error: unknown) => void;
}

/** A node's HTTP server. */
export interface NodeServer {
  /** The port that it listens on. */
  readonly port: number;
  /** Takes no more requests and waits for those under way, but no longer than `graceMs`. */
  close(graceMs: number): Promise<void>;
}

/**
 * Serves a node's answers.
 *
 * @throws {ListenError} If it cannot listen there.
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
    throw new ListenError(`cannot serve HTTP on ${hostname} port ${port}: ${reason(error)}`, { cause: error });
  }
}

function reason(error: unknown): string {
  if (error instanceof Deno.errors.AddrInUse) {
    return "the port is in use; choose another one with --port, or --port 0 for any free one";
  }
  if (error instanceof Deno.errors.AddrNotAvailable) return "this machine has no such address; see --hostname";
  return error instanceof Error ? error.message : String(error);
}

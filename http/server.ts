import { isTaken, ListenError, listenError } from "./listen_error.ts";
import { LOOK_EVERY_MS } from "./files_left.ts";
import { filesAreLeft } from "./open_files.ts";

/** How long a server that ran out of files does not listen. */
const PAUSE_MS = 100;

/** All addresses, IPv4 included, and those of IPv4 alone. */
const [ALL, ALL_IPV4] = ["::", "0.0.0.0"];

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
  /** Called when the server cuts all connections, to listen again after a moment. */
  readonly onInterrupted: (reason: string) => void;
}

/** A node's HTTP server. */
export interface NodeServer {
  /** The port it listens on; never 0. */
  readonly port: number;
  /** Cuts all connections if there are no files left for others, such as the connection to etcd. */
  freeFiles(): void;
  /** Accepts no more requests and waits at most `graceMs` for those that are open. */
  close(graceMs: number): Promise<void>;
}

/**
 * Starts an HTTP or HTTPS server.
 *
 * @throws {ListenError} If the port cannot be opened.
 */
export function serve(options: ServeOptions): NodeServer {
  return new PersistentServer(options);
}

/**
 * A server that outlives the end of its accept loop. `Deno.serve` accepts nothing more once the process has no files
 * left, and it has no limit and no timeout for idle connections (denoland/deno#3515): only cutting them all helps.
 */
class PersistentServer implements NodeServer {
  readonly port: number;
  readonly #options: ServeOptions;
  #listening: { readonly server: Deno.HttpServer<Deno.NetAddr>; readonly abort: AbortController } | undefined;
  #resuming: ReturnType<typeof setTimeout> | undefined;
  readonly #looking: ReturnType<typeof setInterval>;
  #closed = false;

  constructor(options: ServeOptions) {
    this.#options = options;
    this.port = this.#listen(options.port);
    this.#looking = setInterval(() => this.freeFiles(), LOOK_EVERY_MS);
  }

  freeFiles(): void {
    if (!filesAreLeft()) this.#interrupt("no files are left for other connections");
  }

  async close(graceMs: number): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#resuming);
    clearInterval(this.#looking);
    this.#options.onClose();
    const grace = Promise.withResolvers<void>();
    const timer = setTimeout(grace.resolve, graceMs);
    await Promise.race([this.#listening?.server.shutdown(), grace.promise]);
    clearTimeout(timer);
  }

  /** Listens, and gives the port. */
  #listen(port: number): number {
    const abort = new AbortController();
    const server = listen(this.#options, port, abort.signal);
    if (!isAsAsked(server.addr, this.#options.hostname, port)) {
      abort.abort();
      throw new ListenError("DENO_SERVE_ADDRESS is set, which overrides --port and --hostname; unset it");
    }
    this.#listening = { server, abort };
    server.finished.catch((error) => {
      if (this.#listening?.server === server) this.#interrupt(String(error instanceof Error ? error.message : error));
    });
    return server.addr.port;
  }

  #interrupt(reason: string): void {
    if (this.#closed || !this.#listening) return;
    const { abort } = this.#listening;
    this.#listening = undefined;
    abort.abort();
    this.#options.onInterrupted(reason);
    this.#resumeLater();
  }

  #resumeLater(): void {
    this.#resuming = setTimeout(() => {
      try {
        this.#listen(this.port);
      } catch {
        // The connections may not be closed yet, or somebody has taken the files or the port meanwhile.
        this.#resumeLater();
      }
    }, PAUSE_MS);
  }
}

/** Listens; for all addresses on those of IPv4, if that cannot be had with others. */
function listen(options: ServeOptions, port: number, signal: AbortSignal): Deno.HttpServer<Deno.NetAddr> {
  try {
    if (options.hostname === ALL && leavesOutIpv4()) return listenOn(ALL_IPV4, options, port, signal);
    return listenOn(options.hostname, options, port, signal);
  } catch (error) {
    if (options.hostname !== ALL || isTaken(error)) throw error;
    return listenOn(ALL_IPV4, options, port, signal);
  }
}

/** Whether `::` takes no connections by IPv4, as on Windows, and by Linux's setting `net.ipv6.bindv6only`. */
function leavesOutIpv4(): boolean {
  if (Deno.build.os !== "linux") return Deno.build.os === "windows";
  try {
    using all = Deno.listen({ hostname: ALL, port: 0 });
    Deno.listen({ hostname: ALL_IPV4, port: all.addr.port }).close();
    return true;
  } catch {
    return false;
  }
}

function listenOn(
  hostname: string,
  { handler, tls, onError }: ServeOptions,
  port: number,
  signal: AbortSignal,
): Deno.HttpServer<Deno.NetAddr> {
  try {
    return Deno.serve({
      port,
      hostname,
      signal,
      ...tls,
      onListen: () => {},
      onError: (error) => {
        onError(error);
        return new Response("internal error\n", { status: 500, headers: { "cache-control": "no-store" } });
      },
    }, handler);
  } catch (error) {
    throw listenError(hostname, port, error);
  }
}

/** Whether it listens where it should: Deno prefers `DENO_SERVE_ADDRESS`, which may even be no TCP. */
function isAsAsked(addr: Deno.NetAddr, hostname: string, port: number): boolean {
  if (addr.transport !== "tcp" || (port !== 0 && addr.port !== port)) return false;
  const asked = canonical(hostname);
  if (hostname === ALL && addr.hostname === ALL_IPV4) return true;
  return !/^[\d.]+$|^\[/.test(asked) || canonical(addr.hostname) === asked;
}

/** An address in its usual form; a name stays a name. */
function canonical(hostname: string): string {
  return URL.parse(`http://${hostname.includes(":") ? `[${hostname}]` : hostname}`)?.hostname ?? hostname;
}

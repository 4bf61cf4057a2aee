import { createRequire } from "node:module";
import { deferred } from "../../deferred.ts";

/** How long a server may take to begin to speak HTTP/2. */
const GREETING_MS = 2000;

/** How long sessions that were given up may take to close by themselves. */
const CLOSED_WITHIN_MS = 200;

interface Session {
  close(...args: unknown[]): void;
  destroy(...args: unknown[]): void;
  once(event: string, listener: () => void): void;
}

interface Socket {
  destroy(): void;
  once(event: "close", listener: () => void): void;
}

interface Options {
  createConnection?: (...args: unknown[]) => Socket;
}

type Connect = (authority: unknown, options?: Options, ...rest: unknown[]) => Session;

let guarded = false;

/**
 * Mends what grpc-js and Deno's HTTP/2 do to each other, once for the process, for connections that are
 * made the way grpc-js makes them:
 *
 * - Deno 2.9 frees a session that is closed in a callback of its own reading, such as at etcd's goodbye,
 *   and then reads on in freed memory (denoland/deno#36788). So sessions close a turn later.
 * - A connection that is taken but never answered stays open for ever, one for each try. So it is given up.
 */
export function patchHttp2(): void {
  if (guarded) return;
  guarded = true;
  const http2: { connect: Connect } = createRequire(import.meta.url)("node:http2");
  const connect = http2.connect;
  http2.connect = (authority, options, ...rest) => {
    const create = options?.createConnection;
    if (!create) return connect(authority, options, ...rest);
    let socket!: Socket;
    const session = connect(
      authority,
      { ...options, createConnection: (...args) => socket = create(...args) },
      ...rest,
    );
    closeLater(session, socket);
    const timer = setTimeout(() => socket.destroy(), GREETING_MS);
    session.once("remoteSettings", () => clearTimeout(timer));
    socket.once("close", () => clearTimeout(timer));
    return session;
  };
}

/** A session that ends, until nothing of it is left to do. */
interface Ending {
  readonly socket: Socket;
  socketClosed: boolean;
  /** Calls that wait for their turn. */
  postponed: number;
}

const endings = new Set<Ending>();
const settled = new EventTarget();

function closeLater(session: Session, socket: Socket): void {
  const ending: Ending = { socket, socketClosed: false, postponed: 0 };
  const changed = () => {
    if (!ending.socketClosed || ending.postponed > 0) return;
    endings.delete(ending);
    settled.dispatchEvent(new Event("change"));
  };
  let isDestroyed = false;
  for (const name of ["close", "destroy"] as const) {
    const end = session[name].bind(session);
    session[name] = (...args) => {
      // It would do nothing, but later: grpc-js destroys a session once more when all is over.
      if (isDestroyed) return;
      isDestroyed = name === "destroy";
      endings.add(ending);
      ending.postponed++;
      setTimeout(() => {
        ending.postponed--;
        end(...args);
        changed();
      }, 0);
    };
  }
  // The session itself does not always tell.
  socket.once("close", () => {
    ending.socketClosed = true;
    session.destroy();
    changed();
  });
}

/**
 * Resolves when the sessions that were given up have closed and nothing is left of them to do. Some servers never
 * answer that a connection ends: theirs are cut after a while.
 */
export async function sessionsClosed(): Promise<void> {
  // grpc-js itself takes a turn until it closes one.
  await new Promise((resolve) => setTimeout(resolve, 0));
  const given = [...endings];
  const { promise, resolve } = deferred<void>();
  const check = () => given.some((ending) => endings.has(ending)) || resolve();
  const timer = setTimeout(() => given.forEach(({ socket }) => socket.destroy()), CLOSED_WITHIN_MS);
  settled.addEventListener("change", check);
  check();
  await promise;
  clearTimeout(timer);
  settled.removeEventListener("change", check);
}

import { createRequire } from "node:module";
import { deferred } from "../../deferred.ts";
import { MAX_FIRST_CALL_MS } from "../../machine/deadline.ts";

/** Milliseconds to wait for a server's HTTP/2 settings: more than the first call on a connection may take. */
const SETTINGS_TIMEOUT_MS = MAX_FIRST_CALL_MS + 1000;

/** Milliseconds to wait for sessions to close. */
const CLOSE_TIMEOUT_MS = 200;

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

let patched = false;

/**
 * Works around two problems of grpc-js with Deno's HTTP/2. Patches `node:http2` once per process, for connections
 * created the way grpc-js creates them:
 *
 * - Deno 2.9 frees a session that is closed in one of its own read callbacks, for example on GOAWAY, and then uses the
 *   freed memory (denoland/deno#36788). So sessions are closed in a later turn.
 * - A connection that is accepted but never answered stays open forever, one per attempt. So it is closed after a
 *   timeout.
 */
export function patchHttp2(): void {
  if (patched) return;
  patched = true;
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
    const timer = setTimeout(() => socket.destroy(), SETTINGS_TIMEOUT_MS);
    session.once("remoteSettings", () => clearTimeout(timer));
    socket.once("close", () => clearTimeout(timer));
    return session;
  };
}

/** A session that is being closed, until nothing of it is left to do. */
interface Ending {
  readonly socket: Socket;
  socketClosed: boolean;
  /** Calls that wait for a later turn. */
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
      // grpc-js destroys a session once more at the end: a no-op that would only leave a timer.
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
  // The session does not always emit `close`.
  socket.once("close", () => {
    ending.socketClosed = true;
    session.destroy();
    changed();
  });
}

/** Resolves when all sessions being closed have closed. After a timeout, sockets whose server does not close are cut. */
export async function sessionsClosed(): Promise<void> {
  // grpc-js takes a turn until it closes a session.
  await new Promise((resolve) => setTimeout(resolve, 0));
  const given = [...endings];
  const { promise, resolve } = deferred<void>();
  const check = () => given.some((ending) => endings.has(ending)) || resolve();
  const timer = setTimeout(() => given.forEach(({ socket }) => socket.destroy()), CLOSE_TIMEOUT_MS);
  settled.addEventListener("change", check);
  check();
  await promise;
  clearTimeout(timer);
  settled.removeEventListener("change", check);
}

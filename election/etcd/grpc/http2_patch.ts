import { createRequire } from "node:module";
import { deferred } from "../../deferred.ts";

/** Milliseconds to wait for a server's HTTP/2 settings. */
const SETTINGS_TIMEOUT_MS = 2000;

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

/** Sockets that are being closed. */
const closing = new Set<Socket>();
let postponed = 0;
const settled = new EventTarget();

function closeLater(session: Session, socket: Socket): void {
  let closed = false;
  // The session does not always emit `close`.
  socket.once("close", () => {
    closed = true;
    closing.delete(socket);
    settled.dispatchEvent(new Event("change"));
  });
  for (const name of ["close", "destroy"] as const) {
    const end = session[name].bind(session);
    session[name] = (...args) => {
      if (!closed) closing.add(socket);
      postponed++;
      setTimeout(() => {
        postponed--;
        end(...args);
        settled.dispatchEvent(new Event("change"));
      }, 0);
    };
  }
}

/** Resolves when all sessions being closed have closed, or after a timeout: some servers never close theirs. */
export async function sessionsClosed(): Promise<void> {
  // grpc-js takes a turn until it closes a session.
  await new Promise((resolve) => setTimeout(resolve, 0));
  const { promise, resolve } = deferred<void>();
  const check = () => closing.size + postponed === 0 && resolve();
  const timer = setTimeout(resolve, CLOSE_TIMEOUT_MS);
  settled.addEventListener("change", check);
  check();
  await promise;
  clearTimeout(timer);
  settled.removeEventListener("change", check);
}

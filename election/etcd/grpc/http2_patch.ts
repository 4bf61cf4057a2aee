import { deferred } from "../../deferred.ts";
import { isOwn } from "./sockets.ts";

interface Session {
  close(...args: unknown[]): void;
  destroy(...args: unknown[]): void;
}

interface Socket {
  once(event: "close", listener: () => void): void;
}

interface Options {
  createConnection?: (...args: unknown[]) => Socket;
}

type Connect = (authority: unknown, options?: Options, ...rest: unknown[]) => Session;

interface Runtime {
  readonly Deno?: unknown;
  readonly process: { getBuiltinModule(name: string): { connect: Connect } };
}

let patched = false;

/**
 * Works around a bug of Deno 2.9, for the sessions of our own clients: it frees a session that is closed in one of its
 * own read callbacks, for example on GOAWAY, and then uses the freed memory (denoland/deno#36788). So sessions are
 * closed in a later turn. grpc-js has no other place for that than `connect` of `node:http2`. Other runtimes are left
 * as they are.
 */
export function patchHttp2(): void {
  const { Deno: deno, process } = globalThis as unknown as Runtime;
  if (patched || deno === undefined) return;
  patched = true;
  const http2 = process.getBuiltinModule("node:http2");
  const connect = http2.connect;
  http2.connect = (authority, options, ...rest) => {
    const create = options?.createConnection;
    if (!create) return connect(authority, options, ...rest);
    let socket!: Socket;
    const createConnection = (...args: unknown[]) => socket = create(...args);
    const session = connect(authority, { ...options, createConnection }, ...rest);
    if (isOwn(socket)) closeLater(session, socket);
    return session;
  };
}

/** A session that is being closed, until nothing of it is left to do. */
interface Ending {
  socketClosed: boolean;
  /** Calls that wait for a later turn. */
  postponed: number;
}

const endings = new Set<Ending>();
const settled = new EventTarget();

function closeLater(session: Session, socket: Socket): void {
  const ending: Ending = { socketClosed: false, postponed: 0 };
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

/** Resolves when the sessions whose sockets have closed have nothing left to do. */
export async function sessionsClosed(): Promise<void> {
  // grpc-js takes a turn until it closes a session.
  await new Promise((resolve) => setTimeout(resolve, 0));
  const given = [...endings].filter(({ socketClosed }) => socketClosed);
  const { promise, resolve } = deferred<void>();
  const check = () => given.some((ending) => endings.has(ending)) || resolve();
  settled.addEventListener("change", check);
  check();
  await promise;
  settled.removeEventListener("change", check);
}

import { createRequire } from "node:module";

/** How long a server may take to begin to speak HTTP/2. */
const GREETING_MS = 2000;

/** How long to wait for sessions to close. */
const CLOSED_WITHIN_MS = 200;

interface Session {
  close(...args: unknown[]): void;
  destroy(...args: unknown[]): void;
  once(event: string, listener: () => void): void;
}

interface Options {
  createConnection?: (...args: unknown[]) => { destroy(): void };
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
export function guardHttp2(): void {
  if (guarded) return;
  guarded = true;
  const http2: { connect: Connect } = createRequire(import.meta.url)("node:http2");
  const connect = http2.connect;
  http2.connect = (authority, options, ...rest) => {
    const create = options?.createConnection;
    if (!create) return connect(authority, options, ...rest);
    let socket: { destroy(): void } | undefined;
    const session = connect(
      authority,
      { ...options, createConnection: (...args) => socket = create(...args) },
      ...rest,
    );
    closeLater(session);
    const timer = setTimeout(() => socket?.destroy(), GREETING_MS);
    session.once("remoteSettings", () => clearTimeout(timer));
    session.once("close", () => clearTimeout(timer));
    return session;
  };
}

/** Sessions that are to close and have not yet, and since when. */
const closing = new Map<Session, number>();
let deferred = 0;
const settled = new EventTarget();

function closeLater(session: Session): void {
  let closed = false;
  session.once("close", () => {
    closed = true;
    closing.delete(session);
    settled.dispatchEvent(new Event("change"));
  });
  for (const name of ["close", "destroy"] as const) {
    const end = session[name].bind(session);
    session[name] = (...args) => {
      forgetSilent();
      if (!closed) closing.set(session, performance.now());
      deferred++;
      setTimeout(() => {
        deferred--;
        end(...args);
        settled.dispatchEvent(new Event("change"));
      }, 0);
    };
  }
}

/** Some sessions never tell that they have closed: they must not be held for ever. */
function forgetSilent(): void {
  for (const [session, since] of closing) {
    if (performance.now() - since > CLOSED_WITHIN_MS) closing.delete(session);
  }
}

/** Resolves when the sessions that were given up have closed, or after a while: some servers never say so. */
export async function sessionsClosed(): Promise<void> {
  // grpc-js itself takes a turn until it closes one.
  await new Promise((resolve) => setTimeout(resolve, 0));
  const { promise, resolve } = Promise.withResolvers<void>();
  const check = () => closing.size + deferred === 0 && resolve();
  const timer = setTimeout(resolve, CLOSED_WITHIN_MS);
  settled.addEventListener("change", check);
  check();
  await promise;
  clearTimeout(timer);
  settled.removeEventListener("change", check);
}

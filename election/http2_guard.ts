import { createRequire } from "node:module";

/** How long a server may take to begin to speak HTTP/2. */
const GREETING_MS = 2000;

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

function closeLater(session: Session): void {
  const close = session.close.bind(session);
  const destroy = session.destroy.bind(session);
  session.close = (...args) => void setTimeout(() => close(...args), 0);
  session.destroy = (...args) => void setTimeout(() => destroy(...args), 0);
}

import { deferred } from "../../deferred.ts";
import { MAX_FIRST_CALL_MS } from "../../machine/deadline.ts";
import type { ChannelCredentials } from "@grpc/grpc-js";
import type { Socket } from "node:net";

/** Milliseconds to wait for a server's first bytes: more than the first call on a connection may take. */
const GREETING_TIMEOUT_MS = MAX_FIRST_CALL_MS + 1000;

/** Milliseconds to wait for sockets that were destroyed. */
const CUT_TIMEOUT_MS = 100;

/** All sockets of all clients. */
const own = new WeakSet<object>();

/** Whether a socket is a client's of ours: others of the process are not touched. */
export function isOwn(socket: object): boolean {
  return own.has(socket);
}

/**
 * The sockets of one client. grpc-js waits forever for a server that accepts a connection and never answers: such a
 * connection is closed after a timeout.
 */
export class OwnSockets {
  readonly #open = new Set<Socket>();
  readonly #allClosed = deferred<void>();
  #closed = false;

  /** Credentials that tell of each socket: grpc-js has no other place where it shows them. */
  tracked(credentials: ChannelCredentials): ChannelCredentials {
    const createConnector = credentials._createSecureConnector.bind(credentials);
    credentials._createSecureConnector = (...args) => {
      const connector = createConnector(...args);
      const connect = connector.connect.bind(connector);
      connector.connect = async (socket) => {
        this.add(socket);
        const result = await connect(socket);
        // By TLS it is another one.
        if (result.socket !== socket) this.add(result.socket);
        return result;
      };
      return connector;
    };
    return credentials;
  }

  /** Adds a socket that has just connected. */
  add(socket: Socket): void {
    own.add(socket);
    this.#open.add(socket);
    const timer = setTimeout(() => {
      if (socket.bytesRead === 0) socket.destroy();
    }, GREETING_TIMEOUT_MS);
    socket.once("close", () => {
      clearTimeout(timer);
      this.#open.delete(socket);
      if (this.#closed && this.#open.size === 0) this.#allClosed.resolve();
    });
    // grpc-js forgets a connection that comes when its channel is closed.
    if (this.#closed) socket.destroy();
  }

  /** Takes no more, and resolves when those that are open have closed. */
  close(): Promise<void> {
    this.#closed = true;
    if (this.#open.size === 0) this.#allClosed.resolve();
    return this.#allClosed.promise;
  }

  /** Closes them without a word to their server. One that does not tell that it has closed is not waited for. */
  cut(): void {
    for (const socket of this.#open) socket.destroy();
    const timer = setTimeout(() => this.#allClosed.resolve(), CUT_TIMEOUT_MS);
    this.#allClosed.promise.then(() => clearTimeout(timer));
  }
}

import type { EtcdChannel } from "./channel.ts";
import { sessionsClosed } from "./http2_patch.ts";
import type { OwnSockets } from "./sockets.ts";

/** How long grpc-js keeps a timer after it began to connect, also if the client is closed meanwhile. */
const CONNECTION_DELAY_MS = 250;

/** Milliseconds to wait for servers to close their side, if somebody waits for that. */
const CLOSE_TIMEOUT_MS = 200;

/** The same if nobody does: each failed client would leave its socket to a server that never closes any. */
const CUT_AFTER_MS = 2000;

/** When no timer of closed clients is left. */
let settledAt = 0;

/** The sockets of closed clients, and when they are closed. */
const closing = new Map<OwnSockets, Promise<unknown>>();

/**
 * Closes a client in a later turn: a channel that is closed in the turn of its first call would connect all the same,
 * and never close that connection.
 */
export function closeLater(channel: EtcdChannel, sockets: OwnSockets, connected: boolean): void {
  const closed = delay(0).then(() => {
    channel.close();
    const timer = setTimeout(() => sockets.cut(), CUT_AFTER_MS);
    return sockets.close().then(() => clearTimeout(timer));
  });
  closing.set(sockets, closed.then(() => closing.delete(sockets)));
  if (!connected) settledAt = performance.now() + CONNECTION_DELAY_MS;
}

/**
 * Resolves when nothing of closed clients is left: no connection and no timer. After a timeout, connections that the
 * server does not close are cut.
 */
export async function allClosed(): Promise<void> {
  const given = [...closing];
  const timer = setTimeout(() => given.forEach(([sockets]) => sockets.cut()), CLOSE_TIMEOUT_MS);
  await Promise.all(given.map(([, closed]) => closed));
  clearTimeout(timer);
  const left = settledAt - performance.now();
  if (left > 0) await delay(left);
  await sessionsClosed();
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

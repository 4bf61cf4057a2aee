import type { Etcd3 } from "etcd3";
import { sessionsClosed } from "./http2_patch.ts";

/** How long grpc-js keeps a timer after it began to connect, also if the client is closed meanwhile. */
const CONNECTION_DELAY_MS = 250;

/** When no timer of closed clients is left. */
let settledAt = 0;

/**
 * Closes a client in a later turn: a channel that is closed in the turn of its first call would connect all the same,
 * and never close that connection.
 */
export function closeLater(etcd: Etcd3, connected: boolean): void {
  setTimeout(() => etcd.close(), 0);
  if (!connected) settledAt = performance.now() + CONNECTION_DELAY_MS;
}

/** Resolves when nothing of closed clients is left: no connection and no timer. */
export async function allClosed(): Promise<void> {
  // A pool closes its client in a microtask, and the client its channels in the next turn.
  await delay(0);
  await delay(0);
  const left = settledAt - performance.now();
  if (left > 0) await delay(left);
  await sessionsClosed();
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

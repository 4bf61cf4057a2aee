import { elapsed, type Instant } from "./clock.ts";

/** How much slower than etcd's our clock may run: 1 %. */
const CLOCK_RATE_ERROR = 0.01;

/** Milliseconds from the failure of a renewal to the next try while the lease may still hold. */
export const RENEW_RETRY_MS = 250;

/**
 * The stop rule: milliseconds for which a lease of `ttlMs` surely still holds, negative when it may
 * have ended. `sentAt` is the moment just before the grant or renewal was *sent*: etcd counts the
 * TTL from when it handled the request, which cannot be earlier.
 */
export function remaining(sentAt: Instant, ttlMs: number, now: Instant): number {
  return ttlMs * (1 - CLOCK_RATE_ERROR) - elapsed(sentAt, now);
}

/** Milliseconds from one renewal to the next. */
export function renewEveryMs(ttlMs: number): number {
  return ttlMs / 3;
}

/** Milliseconds after which a call to etcd is given up, so that several fit into one TTL. */
export function callTimeoutMs(ttlMs: number): number {
  return Math.min(1000, ttlMs / 4);
}

/** Milliseconds for the first call on a new connection: over long distances that takes longer to make than an answer. */
export function firstCallTimeoutMs(timeoutMs: number): number {
  return Math.max(1000, timeoutMs);
}

/** Milliseconds between a term's signal and the end of its lease, unless the user says otherwise. */
export function defaultStopBudgetMs(ttlMs: number): number {
  return ttlMs / 10;
}

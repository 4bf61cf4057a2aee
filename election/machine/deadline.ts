import { elapsed, type Instant } from "./clock.ts";

/** How much slower than etcd's clock ours may run: 1 %. */
const CLOCK_RATE_ERROR = 0.01;

/** Milliseconds from a failed renewal to the next attempt. */
export const RENEW_RETRY_MS = 250;

/**
 * The stop rule: milliseconds for which a lease of `ttlMs` is still guaranteed, negative when it may have expired.
 * `sentAt` is just before the grant or renewal was *sent*: etcd counts the TTL from when it handled the request, which
 * cannot be earlier.
 */
export function remaining(sentAt: Instant, ttlMs: number, now: Instant): number {
  return ttlMs * (1 - CLOCK_RATE_ERROR) - elapsed(sentAt, now);
}

/** Milliseconds from one renewal to the next. */
export function renewEveryMs(ttlMs: number): number {
  return ttlMs / 3;
}

/** The timeout of a call to etcd in milliseconds, such that several attempts fit into one TTL. */
export function callTimeoutMs(ttlMs: number): number {
  return Math.min(1000, ttlMs / 4);
}

/**
 * The timeout in milliseconds of the first call on a new connection, which takes several round trips: TCP, TLS, HTTP/2,
 * logging in. A share of the TTL, within bounds: an endpoint that is silent must not use up a whole TTL.
 */
export function firstCallTimeoutMs(ttlMs: number): number {
  return Math.min(MAX_FIRST_CALL_MS, Math.max(1000, ttlMs / 4));
}

/** The upper limit of {@linkcode firstCallTimeoutMs}. */
export const MAX_FIRST_CALL_MS = 5000;

/**
 * Milliseconds from one probe of a watch, or from one use of the connection for calls, to the next. Limited, whatever the
 * TTL: networks forget connections that are idle, some after a few seconds.
 */
export function probeEveryMs(ttlMs: number): number {
  return Math.min(MAX_IDLE_MS, ttlMs / 2);
}

/** The longest time for which a connection to etcd is left idle. */
export const MAX_IDLE_MS = 2500;

/** The default stop budget in milliseconds. */
export function defaultStopBudgetMs(ttlMs: number): number {
  return ttlMs / 10;
}

/**
 * Milliseconds between two looks of a leader at the wall clock, as timers do not advance while the machine is suspended.
 * Half a stop budget: who gives the work that long to end can wait for that long.
 */
export function wallCheckMs(stopBudgetMs: number): number {
  return Math.min(1000, Math.max(100, stopBudgetMs / 2));
}

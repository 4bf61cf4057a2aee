/** A point in time on both clocks of this machine, in milliseconds. */
export interface Instant {
  /** `performance.now()`: never jumps, but stops while the machine is suspended. */
  readonly monotonic: number;
  /** `Date.now()`: runs while the machine is suspended, but can be set. */
  readonly wall: number;
}

/** The election's source of time. */
export interface Clock {
  now(): Instant;
}

/** The clocks of this machine. */
export const systemClock: Clock = {
  now: () => ({ monotonic: performance.now(), wall: Date.now() }),
};

/**
 * Milliseconds from `since` to `now`: the larger difference of the two clocks, so that neither a suspended machine nor
 * a wall clock set back makes a lease look younger than it is.
 */
export function elapsed(since: Instant, now: Instant): number {
  return Math.max(now.monotonic - since.monotonic, now.wall - since.wall);
}

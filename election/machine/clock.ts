/** A moment on both clocks of this machine, in milliseconds. */
export interface Instant {
  /** `performance.now()`: never jumps, but stands still while the machine sleeps. */
  readonly monotonic: number;
  /** `Date.now()`: goes on while the machine sleeps, but can be set. */
  readonly wall: number;
}

/** Where the election reads the time. */
export interface Clock {
  /** The moment it is now. */
  now(): Instant;
}

/** The clocks of this machine. */
export const systemClock: Clock = {
  now: () => ({ monotonic: performance.now(), wall: Date.now() }),
};

/**
 * Milliseconds from `since` to `now`: the larger answer of the two clocks, so that neither a
 * machine's sleep nor a wall clock set back can make a lease look younger than it is.
 */
export function elapsed(since: Instant, now: Instant): number {
  return Math.max(now.monotonic - since.monotonic, now.wall - since.wall);
}

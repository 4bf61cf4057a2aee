import type { Clock, Instant } from "../../election/machine/clock.ts";

/** A clock that stands still until it is told otherwise. */
export class FakeClock implements Clock {
  #monotonic = 1000;
  #wall = Date.UTC(2026, 0, 1);

  now(): Instant {
    return { monotonic: this.#monotonic, wall: this.#wall };
  }

  /** Time passes. */
  pass(ms: number): void {
    this.#monotonic += ms;
    this.#wall += ms;
  }

  /** The machine sleeps: only the wall clock goes on. */
  sleep(ms: number): void {
    this.#wall += ms;
  }

  /** Somebody sets the wall clock. */
  setWall(byMs: number): void {
    this.#wall += byMs;
  }
}

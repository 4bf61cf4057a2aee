import { assert, assertEquals } from "@std/assert";
import { elapsed, systemClock } from "../../election/machine/clock.ts";
import {
  callTimeoutMs,
  defaultStopBudgetMs,
  firstCallTimeoutMs,
  probeEveryMs,
  remaining,
  RENEW_RETRY_MS,
  renewEveryMs,
  wallCheckMs,
} from "../../election/machine/deadline.ts";
import { FakeClock } from "../support/clock.ts";

Deno.test("a lease holds for its TTL less one percent, from the moment of sending", () => {
  const clock = new FakeClock();
  const sentAt = clock.now();
  assertEquals(remaining(sentAt, 5000, clock.now()), 4950);
  clock.pass(4949);
  assertEquals(remaining(sentAt, 5000, clock.now()), 1);
  clock.pass(2);
  assertEquals(remaining(sentAt, 5000, clock.now()), -1);
});

Deno.test("a machine that slept has aged, though its monotonic clock stood still", () => {
  const clock = new FakeClock();
  const sentAt = clock.now();
  clock.sleep(10_000);
  assertEquals(elapsed(sentAt, clock.now()), 10_000);
});

Deno.test("a wall clock set back does not make a lease younger", () => {
  const clock = new FakeClock();
  const sentAt = clock.now();
  clock.pass(3000);
  clock.setWall(-3_600_000);
  assertEquals(elapsed(sentAt, clock.now()), 3000);
});

Deno.test("a renewal that fails can be tried again before the lease ends, for every TTL that etcd grants", () => {
  for (let ttl = 2000; ttl <= 60_000; ttl += 500) {
    const secondTryEnds = renewEveryMs(ttl) + 2 * callTimeoutMs(ttl) + RENEW_RETRY_MS;
    assert(secondTryEnds < ttl * 0.99, `TTL ${ttl}: the second try ends after ${secondTryEnds} ms`);
  }
});

Deno.test("what follows from a TTL, for short and for long ones", () => {
  const table = [1000, 2000, 4000, 5000, 8000, 20_000, 60_000].map((ttl) => [
    ttl,
    callTimeoutMs(ttl),
    firstCallTimeoutMs(ttl),
    probeEveryMs(ttl),
    defaultStopBudgetMs(ttl),
  ]);
  assertEquals(table, [
    [1000, 250, 1000, 500, 100],
    [2000, 500, 1000, 1000, 200],
    [4000, 1000, 1000, 2000, 400],
    [5000, 1000, 1250, 2500, 500],
    [8000, 1000, 2000, 2500, 800],
    [20_000, 1000, 5000, 2500, 2000],
    [60_000, 1000, 5000, 2500, 6000],
  ]);
});

Deno.test("a leader looks at the wall clock twice in a stop budget, but at least once and at most ten times a second", () => {
  assertEquals([100, 200, 500, 2000, 6000].map(wallCheckMs), [100, 100, 250, 1000, 1000]);
});

Deno.test("the system's clock reads both clocks of the machine", () => {
  const before = { monotonic: performance.now(), wall: Date.now() };
  const { monotonic, wall } = systemClock.now();
  assert(before.monotonic <= monotonic && monotonic <= performance.now());
  assert(before.wall <= wall && wall <= Date.now());
});

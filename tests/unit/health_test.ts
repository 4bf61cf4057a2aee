import { assertEquals } from "@std/assert";
import type { ElectionEvent } from "../../election/mod.ts";
import { Health } from "../../election/health.ts";
import { StoreError } from "../../election/store.ts";
import { FakeClock } from "../support/clock.ts";

/** A health, a way to let it fail, and what it has reported. */
function create() {
  const clock = new FakeClock();
  const reported: string[] = [];
  const health = new Health((event: ElectionEvent) =>
    reported.push(event.type === "etcd-failing" ? event.message : event.type)
  );
  const fail = (message: string) => health.failed("calls", new StoreError("unreachable", message), clock.now());
  return { clock, reported, health, fail };
}

Deno.test("each cause is reported once until etcd answers, and the state always names the latest", () => {
  const { clock, reported, health, fail } = create();
  for (let round = 0; round < 100; round++) {
    fail("A is silent");
    fail("B refuses");
    assertEquals(health.error, "B refuses");
    clock.pass(1000);
  }
  assertEquals(reported, ["A is silent", "B refuses"]);
  health.ok("calls");
  assertEquals(health.error, undefined);
  fail("A is silent");
  assertEquals(reported.slice(2), ["etcd-answers", "A is silent"]);
});

Deno.test("a new cause is reported only after a while, and not for ever", () => {
  const { clock, reported, fail } = create();
  fail("one");
  clock.pass(9000);
  fail("two");
  assertEquals(reported, ["one"]);
  clock.pass(1000);
  fail("two");
  assertEquals(reported, ["one", "two"]);
  for (let cause = 0; cause < 1000; cause++) {
    clock.pass(10_000);
    fail(`cause ${cause}`);
  }
  assertEquals(reported.length, 20);
});

Deno.test("the latest error is named, whichever channel it is of", () => {
  const { clock, health, fail } = create();
  fail("calls fail");
  health.failed("watch", new StoreError("unreachable", "watch fails"), clock.now());
  assertEquals(health.error, "watch fails");
  fail("calls fail again");
  assertEquals(health.error, "calls fail again");
  health.ok("calls");
  assertEquals(health.error, "watch fails");
});

Deno.test("a connection that worked and was closed is reported only if the next attempt fails too", () => {
  for (const channel of ["calls", "watch"] as const) {
    const events: string[] = [];
    const health = new Health(({ type }) => events.push(type));
    const closed = new StoreError("unreachable", "connection closed", { closed: true });
    const at = (monotonic: number) => ({ monotonic, wall: monotonic });
    health.ok(channel);
    health.failed(channel, closed, at(0));
    health.ok(channel);
    health.failed(channel, closed, at(1));
    assertEquals(events, [], channel);
    health.failed(channel, closed, at(2));
    assertEquals(events, ["etcd-failing"], channel);
  }
});

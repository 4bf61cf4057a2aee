import { assertEquals } from "@std/assert";
import { FakeClock } from "../support/clock.ts";
import { Endpoints } from "../../election/etcd/endpoints.ts";

Deno.test("endpoints are tried in the order of the list, and again from the beginning", () => {
  const endpoints = new Endpoints(["a", "b", "c"]);
  assertEquals(endpoints.first, "a");
  assertEquals(["a", "b", "c", "a"].map((url) => endpoints.failed(url)), ["b", "c", "a", "b"]);
});

Deno.test("a single endpoint is tried for ever", () => {
  const endpoints = new Endpoints(["a"]);
  assertEquals([endpoints.failed("a"), endpoints.failed("a")], ["a", "a"]);
});

Deno.test("an endpoint that is dead is not tried again while others fail only now and then", () => {
  const endpoints = new Endpoints(["dead", "b", "c"]);
  // The calls and the watch both begin with it.
  assertEquals([endpoints.failed("dead"), endpoints.failed("dead")], ["b", "b"]);
  let current = "b";
  const tried: string[] = [];
  for (let round = 0; round < 4; round++) {
    endpoints.answered(current);
    tried.push(current = endpoints.failed(current));
  }
  assertEquals(tried, ["c", "b", "c", "b"]);
});

Deno.test("when all fail, the dead one gets its chance", () => {
  const endpoints = new Endpoints(["dead", "b"]);
  endpoints.failed("dead");
  endpoints.answered("b");
  assertEquals([endpoints.failed("b"), endpoints.failed("b")], ["dead", "dead"]);
});

Deno.test("an endpoint that refuses is left after a while, unless it answers in between or is the only one", () => {
  const clock = new FakeClock();
  const endpoints = new Endpoints(["a", "b"]);
  assertEquals(endpoints.refused("a", clock.now()), false);
  clock.pass(1500);
  endpoints.answered("a");
  assertEquals(endpoints.refused("a", clock.now()), false);
  clock.pass(1500);
  assertEquals(endpoints.refused("a", clock.now()), false);
  clock.pass(500);
  assertEquals(endpoints.refused("a", clock.now()), true);
  assertEquals(endpoints.failed("a"), "b");
  assertEquals(endpoints.refused("a", clock.now()), false, "counted anew");
  const single = new Endpoints(["a"]);
  single.refused("a", clock.now());
  clock.pass(10_000);
  assertEquals(single.refused("a", clock.now()), false);
});

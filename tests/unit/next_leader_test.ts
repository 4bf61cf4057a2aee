import { assertEquals } from "@std/assert";
import type { Candidate } from "../../election/machine/queue.ts";
import { handoffOf, nextMessage } from "../../supervise/next_leader.ts";

const me: Candidate = { key: "jobs/1", token: 1n, id: "me", priority: 0 };
const passed: Candidate = { key: "jobs/2", token: 2n, id: "passed", priority: 0 };
const best: Candidate = {
  key: "jobs/3",
  token: 2n ** 60n,
  id: "best",
  priority: 2,
  since: new Date(5),
  url: "http://b",
};

Deno.test("what a watchdog is told is the handoff that its node would do, also as JSON", () => {
  const message = JSON.parse(JSON.stringify(nextMessage([me, passed, best], 1n)));
  assertEquals(message.type, "next");
  assertEquals(handoffOf(message), {
    to: best,
    passed: [{ key: "jobs/2", token: 2n, id: "jobs/2" }],
  });
});

Deno.test("one that has not told since when it waits can be the next leader", () => {
  assertEquals(handoffOf(nextMessage([me, passed], 1n))?.to.token, passed.token);
});

Deno.test("a node that is not the first, or is alone, has nobody to hand over to", () => {
  for (const [queue, token] of [[[me, best], 7n], [[passed, me], 1n], [[me], 1n], [[], 1n]] as const) {
    const message = nextMessage(queue, token);
    assertEquals(message, { type: "next" });
    assertEquals(handoffOf(message), undefined);
  }
});

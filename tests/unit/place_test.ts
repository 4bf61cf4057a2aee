import { assertEquals } from "@std/assert";
import type { Candidate } from "../../election/machine/queue.ts";
import { handoffOf, placeMessage } from "../../supervise/place.ts";

const me: Candidate = { key: "jobs/1", token: 1n, id: "me", priority: 0 };
const passed: Candidate = { key: "jobs/2", token: 2n, id: "passed", priority: 0 };
const best: Candidate = {
  key: "jobs/3",
  token: 2n ** 60n,
  id: "best",
  priority: 2,
  since: new Date(5),
  url: "http://b",
  meta: { zone: "b" },
};

const own = { key: me.key, token: "1" };

Deno.test("what a watchdog is told is the handoff that its node would do, also as JSON", () => {
  const message = JSON.parse(JSON.stringify(placeMessage(own, [me, passed, best])));
  assertEquals([message.type, message.key, message.token], ["place", "jobs/1", "1"]);
  assertEquals(handoffOf(message), {
    to: best,
    passed: [{ key: "jobs/2", token: 2n, id: "jobs/2" }],
  });
});

Deno.test("one that has not told since when it waits can be the next leader", () => {
  assertEquals(handoffOf(placeMessage(own, [me, passed]))?.to.token, passed.token);
});

Deno.test("a node that is not the first, or is alone, has nobody to hand over to", () => {
  for (const [queue, token] of [[[me, best], "7"], [[passed, me], "1"], [[me], "1"], [[], "1"]] as const) {
    const message = placeMessage({ key: "jobs/1", token }, queue);
    assertEquals(message, { type: "place", key: "jobs/1", token });
    assertEquals(handoffOf(message), undefined);
  }
});

Deno.test("who queues anew after it was the first is told without the handoff of its former key", () => {
  const first = placeMessage(own, [me, best]);
  const anew = { key: "jobs/9", token: "9" };
  assertEquals(handoffOf(placeMessage({ ...first, ...anew }, [best, { ...me, key: "jobs/9", token: 9n }])), undefined);
});

import { assertEquals } from "@std/assert";
import { OwnTerm } from "../../election/term.ts";
import { killBeforeMs, lostGraceMs, stopBudgetMs, watchdogDeadline } from "../../supervise/budgets.ts";

Deno.test("what follows from a TTL and a grace: a short TTL shortens the grace, never the time for killing", () => {
  const table = [[1000, 5000], [1950, 5000], [10_000, 5000], [1000, 60_000]].map(([grace, ttl]) => [
    lostGraceMs(grace!, ttl!),
    killBeforeMs(ttl!),
    stopBudgetMs(grace!, ttl!),
  ]);
  assertEquals(table, [[1000, 500, 1500], [1950, 500, 2450], [1950, 500, 2450], [1000, 6000, 7000]]);
});

Deno.test("the watchdog stops a command when the node should have, and kills it half a margin after", () => {
  const term = new OwnTerm("jobs/1f", 7n, () => 4950);
  const deadline = watchdogDeadline(term, 1000, 5000, 77);
  assertEquals(deadline, { type: "deadline", sentAt: 77, stopMs: 4950 - 1500, killMs: 4950 - 250 });
  term.end("expired", () => 450);
  assertEquals(watchdogDeadline(term, 1000, 5000, 0).killMs, 450 - 250);
});

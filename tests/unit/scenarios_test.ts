import { assertEquals } from "@std/assert";
import { GROUPS, SCENARIOS } from "../chaos/scenarios.ts";

Deno.test("no scenario of faults is left out of the tests", async () => {
  assertEquals(new Set(SCENARIOS.map(({ group }) => group)), new Set(GROUPS));
  for (const group of GROUPS) {
    const test = await Deno.readTextFile(new URL(`../chaos/${group}_test.ts`, import.meta.url));
    assertEquals(/testScenarios\("(.*)"\)/.exec(test)?.[1], group);
  }
});

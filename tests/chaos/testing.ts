import { assert, assertEquals } from "@std/assert";
import { play } from "./play.ts";
import { type GROUPS, SCENARIOS } from "./scenarios.ts";

/** A test for each scenario of a group. */
export function testScenarios(group: typeof GROUPS[number]): void {
  for (const scenario of SCENARIOS.filter((scenario) => scenario.group === group)) {
    Deno.test(`on real etcd: ${scenario.name}`, async () => {
      const { violations, longestGapMs, claims } = await play(scenario, (rounds) => rounds === 1);
      assertEquals(violations, []);
      assert(claims > 0);
      assert(longestGapMs < scenario.boundMs, `nobody led for ${longestGapMs} ms`);
    });
  }
}

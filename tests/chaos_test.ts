import { assert, assertEquals } from "@std/assert";
import { play } from "./chaos/play.ts";
import { SCENARIOS } from "./chaos/scenarios.ts";

for (const scenario of SCENARIOS) {
  Deno.test(`on real etcd: ${scenario.name}`, async () => {
    const { violations, longestGapMs, claims } = await play(scenario, (rounds) => rounds === 2);
    assertEquals(violations, []);
    assert(claims > 0);
    assert(longestGapMs < scenario.boundMs, `nobody led for ${longestGapMs} ms`);
  });
}

import { assert, assertEquals } from "@std/assert";
import type { Sabotage } from "./simulation/model_node.ts";
import { run } from "./simulation/world.ts";

const SEEDS = 3000;

Deno.test(`in ${SEEDS} simulated worlds of faults nobody leads beside another, and somebody always leads at the end`, () => {
  let terms = 0;
  for (let seed = 1; seed <= SEEDS; seed++) {
    const { violation, terms: had } = run({ seed });
    assertEquals(violation, undefined, `deno task simulate --seeds 1 --seed ${seed}`);
    terms += had;
  }
  assert(terms > 3 * SEEDS, `a world in which the lead does not move proves little: ${terms} terms`);
});

Deno.test("a seed gives the same world again", () => {
  assertEquals(run({ seed: 7, trace: true }), run({ seed: 7, trace: true }));
});

const SABOTAGES: Record<Sabotage, string> = {
  "count-from-answer": "counts the lease from the answer instead of from the sending",
  "one-clock": "reads one clock only",
  "lead-on-watch": "leads on a watch event alone",
  "keep-lapsed": "leads again on a lease that once ran out",
};

for (const [sabotage, what] of Object.entries(SABOTAGES)) {
  Deno.test(`the simulation finds a stop rule that ${what}`, () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const { violation } = run({ seed, sabotage: sabotage as Sabotage });
      // It takes an old list for a new one, too.
      if (sabotage === "count-from-answer" && violation?.includes("takes etcd's data for lost")) continue;
      if (violation) return assert(/at the same time|with token/.test(violation), violation);
    }
    assert(false, "it was not found");
  });
}

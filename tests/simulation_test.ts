import { assert, assertEquals } from "@std/assert";
import type { Sabotage } from "./simulation/model_node.ts";
import { run } from "./simulation/world.ts";

const SEEDS = 1000;
/** How many worlds a sabotage may take to be found. */
const SABOTAGED = 1000;
/** Where to begin: a world that shows it is rare, one in some thousands. */
const FIRST_SEED: Partial<Record<Sabotage, number>> = { "count-from-answer": 1501 };

Deno.test(`in ${SEEDS} simulated worlds of faults nobody leads beside another, and somebody always leads at the end`, async () => {
  let terms = 0;
  for (let seed = 1; seed <= SEEDS; seed++) {
    const { violation, terms: had } = await run({ seed });
    assertEquals(violation, undefined, `deno task simulate --seeds 1 --seed ${seed}`);
    terms += had;
  }
  assert(terms > 3 * SEEDS, `a world in which the lead does not move proves little: ${terms} terms`);
});

Deno.test("a seed gives the same world again", async () => {
  assertEquals(await run({ seed: 7, trace: true }), await run({ seed: 7, trace: true }));
});

const SABOTAGES: Record<Exclude<Sabotage, "take-over-always">, string> = {
  "count-from-answer": "counts the lease from the answer instead of from the sending",
  "one-clock": "reads one clock only",
  "lead-on-watch": "leads on a watch event alone",
  "keep-lapsed": "leads again on a lease that once ran out",
  "count-from-handoff": "counts a term from the handoff instead of from what etcd answered before",
};

for (const [sabotage, what] of Object.entries(SABOTAGES)) {
  Deno.test(`the simulation finds a stop rule that ${what}`, async () => {
    const first = FIRST_SEED[sabotage as Sabotage] ?? 1;
    for (let seed = first; seed < first + SABOTAGED; seed++) {
      const { violation } = await run({ seed, sabotage: sabotage as Sabotage });
      if (violation && /at the same time|with token/.test(violation)) return;
    }
    assert(false, "it was not found");
  });
}

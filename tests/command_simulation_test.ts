import { assert, assertEquals } from "@std/assert";
import { runCommands } from "./simulation/command_world.ts";
import type { CommandSabotage } from "./simulation/model_command.ts";

const SEEDS = 200;
/** How many worlds a sabotage may take to be found. */
const SABOTAGED = 600;

Deno.test(`in ${SEEDS} simulated worlds of faults no two commands run at the same time, unless neither node nor watchdog can act`, async () => {
  let all = 0;
  for (let seed = 1; seed <= SEEDS; seed++) {
    const { violation, begun, trace } = await runCommands({ seed });
    assertEquals(violation, undefined, `seed ${seed}: ${trace.join("\n")}`);
    all += begun;
  }
  assert(all > 3 * SEEDS, `a world without a change proves little: ${all} commands`);
});

const SABOTAGES: Record<CommandSabotage, string> = {
  "no-deadline": "does nothing at the deadline of a frozen node",
  "revoke-first": "gives a dead node's lease back before its command has ended",
  "grace-only": "gives the command its grace, whatever the lease says",
  "late-start": "starts the command however long that takes",
};

/** Where to begin: some are rare. */
const FIRST_SEED: Partial<Record<CommandSabotage, number>> = { "grace-only": 250, "late-start": 450 };

for (const [sabotage, what] of Object.entries(SABOTAGES)) {
  Deno.test(`the simulation finds a supervision that ${what}`, async () => {
    const first = FIRST_SEED[sabotage as CommandSabotage] ?? 1;
    for (let seed = first; seed < first + SABOTAGED; seed++) {
      const { violation } = await runCommands({ seed, sabotage: sabotage as CommandSabotage });
      if (violation?.includes("at the same time")) return;
    }
    assert(false, "it was not found");
  });
}

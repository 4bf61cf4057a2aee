/** `deno task chaos --minutes M`: each kind of fault for an equal share of the time, and a table. */
import { endTogether } from "../../dev/children.ts";
import { readNumbers } from "../../dev/number_flags.ts";
import { play } from "./play.ts";
import { SCENARIOS } from "./scenarios.ts";

const share = readNumbers("deno task chaos", { minutes: 10 }).minutes * 60_000 / SCENARIOS.length;
endTogether();

console.log(
  "| fault | rounds | overlaps | leases taken | overlaps by that | longest time without a leader |\n| --- | ---: | ---: | ---: | ---: | ---: |",
);
let violated = false;
for (const scenario of SCENARIOS) {
  const until = performance.now() + share;
  const { rounds, violations, excused, takenLeases, longestGapMs } = await play(
    scenario,
    (had) => had > 0 && performance.now() > until,
  );
  const gap = (longestGapMs / 1000).toFixed(2);
  console.log(`| ${scenario.name} | ${rounds} | ${violations.length} | ${takenLeases} | ${excused} | ${gap} s |`);
  for (const violation of violations) console.error(`VIOLATION in "${scenario.name}": ${violation}`);
  violated ||= violations.length > 0;
}
Deno.exit(violated ? 1 : 0);

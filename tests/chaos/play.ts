import type { Scenario } from "./scenarios.ts";
import { Beats } from "../support/beats.ts";
import { Testbed } from "./stage.ts";

/** What came of some rounds of a scenario. */
export interface Outcome {
  readonly rounds: number;
  readonly violations: readonly string[];
  /** The longest time in a round without a node that says that it leads. */
  readonly longestGapMs: number;
  /** How many answers said "leader" beside a later leader, because etcd had taken a key away. */
  readonly excused: number;
  /** How many leases etcd took away although they were renewed, of those that were watched for that. */
  readonly takenLeases: number;
  /** How many answers said "leader". */
  readonly claims: number;
}

/** Plays rounds of a scenario until `enough` says so. */
export async function play(scenario: Scenario, enough: (rounds: number) => boolean): Promise<Outcome> {
  await using beats = await Beats.create();
  const flags = scenario.command === undefined
    ? []
    : ["--on-exit", "restart", "--", ...beats.command(scenario.command)];
  await using stage = await Testbed.start(scenario.members, flags, scenario.etcdFlags);
  let [rounds, longestGapMs] = [0, 0];
  while (!enough(rounds)) {
    stage.referee.takeGapMs();
    await scenario.round(stage);
    longestGapMs = Math.max(longestGapMs, stage.referee.takeGapMs());
    rounds++;
    const overlap = beats.overlap();
    if (overlap) stage.referee.violations.push(overlap);
  }
  const { violations, excused, claims } = stage.referee;
  return { rounds, violations, excused, takenLeases: stage.takenLeases, longestGapMs, claims };
}

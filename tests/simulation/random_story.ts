import * as faults from "./faults.ts";
import type { Sabotage } from "./model_node.ts";
import { Random } from "./random.ts";
import { type RunResult, World } from "./world.ts";

const STORY_MS = 30_000;
const WORK_ENDS_MS = 6000;

/** How one run is to be. */
export interface RunOptions {
  readonly seed: number;
  /** Whether the nodes take a lock again and again, instead of looping over an election. */
  readonly locks?: boolean;
  /** Whether the nodes describe themselves anew now and then. */
  readonly updates?: boolean;
  /** Breaks the rules on purpose. */
  readonly sabotage?: Sabotage;
  /** Keeps the trace. */
  readonly trace?: boolean;
}

/** Runs one seed: a world with faults at random. */
export function run({ seed, locks, updates, sabotage, trace }: RunOptions): Promise<RunResult> {
  const random = new Random(seed);
  const ttlMs = random.pick([2000, 3000, 5000]);
  const world = new World({
    random,
    nodes: random.pick([2, 3, 3, 4]),
    ttlMs,
    stopBudgetMs: random.pick([undefined, 0, ttlMs / 4]),
    drainMs: random.pick([0, 4000, Infinity]),
    distanceMs: random.chance(0.3) ? random.between(0, 60) : 0,
    workEndsMs: WORK_ENDS_MS,
    locks,
    sabotage,
    trace,
  });
  world.etcd.renewsRevoked = random.chance(0.2);
  if (random.chance(0.2)) world.etcd.minTtlsMs = [2000, 4000];
  const { schedule } = world;
  for (const node of world.nodes) schedule.after(random.between(0, 500), () => node.core ?? node.start());
  const kinds = chooseFaults(world);
  const restlessness = random.between(300, 4000);
  const next = () => {
    if (world.peace) return;
    random.pick(kinds)();
    if (updates) random.pick(world.nodes).describe({ count: String(schedule.now) });
    schedule.after(random.between(0, 2 * restlessness), next);
  };
  schedule.after(random.between(0, 2000), next);
  return world.run(STORY_MS);
}

/** A world has some kinds of faults, not all: some bugs need few disturbances to show. */
function chooseFaults(world: World): (() => void)[] {
  const { random, schedule, etcd, ttlMs } = world;
  const node = () => random.pick(world.nodes);
  const forAWhile = () => random.between(50, 2 * ttlMs);
  const freezes = (sleep: boolean) => () => {
    const chosen = node();
    // Its network may take longer to come back.
    const thaws = () => !world.peace && random.chance(0.3) && faults.isNotHeard(world, chosen, forAWhile());
    faults.freezes(world, chosen, random.between(50, 2.5 * ttlMs), sleep, thaws);
  };
  const machineSleeps = freezes(true);
  let sleeps = false;
  const all: (() => void)[] = [
    freezes(false),
    machineSleeps,
    () => faults.crashes(world, node(), random.between(10, 2 * ttlMs)),
    () => faults.isCutOff(world, node(), forAWhile()),
    () => faults.isNotHeard(world, node(), forAWhile()),
    () => faults.hearsNothing(world, node(), forAWhile()),
    () => faults.isFarAway(world, node(), forAWhile(), random.pick([50, 500, 1500])),
    () => faults.watchLags(world, node(), forAWhile(), random.pick([10, 100, 900])),
    () => faults.watchStalls(world, node(), forAWhile()),
    () => faults.losesMessages(world, node(), forAWhile(), random.between(0.05, 0.6)),
    () => faults.losesWatch(world, node()),
    () => {
      // A clock set back and a sleep within one lease cannot be told from time that did not pass.
      const back = sleeps ? [] : [-3_600_000, -1000];
      faults.wallClockIsSet(world, node(), random.pick([3_600_000, 7000, 1000, ...back]));
    },
    () => faults.etcdStops(world, forAWhile()),
    () => {
      if (etcd.health !== "up") return;
      const backup = random.chance(0.5) ? etcd.backup() : undefined;
      schedule.after(random.between(0, 3 * ttlMs), () => faults.etcdIsRestored(world, forAWhile(), backup));
    },
    () => faults.etcdLosesItsLeader(world, random.between(0, 500), random.between(0, 3000)),
    () => faults.etcdsLeaderFreezes(world, random.between(0, 500), random.between(1000, 2 * ttlMs)),
    () => etcd.keys.length > 0 && faults.operatorDeletes(world, random.pick(etcd.keys)),
    () => etcd.leaseIds.length > 0 && faults.operatorRevokes(world, random.pick(etcd.leaseIds)),
    () => faults.etcdCompacts(world),
    () => faults.resigns(world, node(), random.chance(0.5) ? random.pick(etcd.keys.slice(1)) : undefined),
    () => faults.stops(world, node(), random.between(2000, 2 * ttlMs), random.between(2 * ttlMs, 3 * ttlMs)),
  ];
  const chosen = all.filter(() => random.chance(0.35));
  sleeps = chosen.length === 0 || chosen.includes(machineSleeps);
  return chosen.length > 0 ? chosen : all;
}

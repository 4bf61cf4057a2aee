/** One story, in which every single fault happens at every point, and every pair of faults at every pair of points. */
import * as faults from "./faults.ts";
import type { Fate, ModelNode, Sabotage } from "./model_node.ts";
import { Random } from "./random.ts";
import { type RunResult, World, type WorldOptions } from "./world.ts";

const TTL_MS = 2000;
const STORY_MS = 11_000;
/** Long enough for a lease to run out, and short enough for it not to. */
const [LONG_MS, SHORT_MS] = [2500, 700];

/** Chance without surprises: all that may go wrong goes well, and all takes the usual time. */
class NoSurprises extends Random {
  override unit(): number {
    return 0.5;
  }
}

/** The variants of the story. */
export const VARIANTS: readonly Pick<WorldOptions, "nodes" | "drainMs" | "distanceMs">[] = [
  { nodes: 2, drainMs: 0 },
  { nodes: 2, drainMs: Infinity, distanceMs: 40 },
  { nodes: 3, drainMs: 4000 },
];

/** A kind of fault at a point of the story. */
export interface Fault {
  readonly name: string;
  /** After which decision of which node it happens, or to which call. */
  readonly point: { readonly node: number; readonly decision: number } | { readonly call: number };
  /** What happens to the call. */
  readonly fate?: Fate;
  readonly happens?: (world: World, node: ModelNode) => void;
  /** Two of these at once break an assumption: time that passes is seen by one of two clocks. */
  readonly clock?: "stands still" | "goes back";
}

type Kind = Omit<Fault, "point"> & Required<Pick<Fault, "happens">>;

const HOUR_MS = 3_600_000;

const NODE_KINDS: readonly Kind[] = [
  { name: "freezes", happens: (world, node) => faults.freezes(world, node, LONG_MS, false) },
  { name: "freezes for a moment", happens: (world, node) => faults.freezes(world, node, SHORT_MS, false) },
  { name: "sleeps", clock: "stands still", happens: (world, node) => faults.freezes(world, node, LONG_MS, true) },
  { name: "crashes", happens: (world, node) => faults.crashes(world, node, LONG_MS) },
  { name: "crashes and is back at once", happens: (world, node) => faults.crashes(world, node, 50) },
  { name: "is cut off", happens: (world, node) => faults.isCutOff(world, node, LONG_MS) },
  { name: "is not heard", happens: (world, node) => faults.isNotHeard(world, node, SHORT_MS) },
  { name: "hears nothing", happens: (world, node) => faults.hearsNothing(world, node, LONG_MS) },
  { name: "loses its watch", happens: faults.losesWatch },
  { name: "has a watch that lags", happens: (world, node) => faults.watchLags(world, node, LONG_MS, 300) },
  { name: "has a watch that stalls", happens: (world, node) => faults.watchStalls(world, node, SHORT_MS) },
  { name: "has its clock set ahead", happens: (world, node) => faults.wallClockIsSet(world, node, HOUR_MS) },
  {
    name: "has its clock set back",
    clock: "goes back",
    happens: (world, node) => faults.wallClockIsSet(world, node, -HOUR_MS),
  },
  { name: "resigns", happens: (world, node) => faults.resigns(world, node) },
];

const ETCD_KINDS: readonly Kind[] = [
  { name: "etcd stops", happens: (world) => faults.etcdStops(world, LONG_MS) },
  { name: "etcd stops for a moment", happens: (world) => faults.etcdStops(world, SHORT_MS) },
  { name: "etcd changes its leader", happens: (world) => faults.etcdLosesItsLeader(world, 200, 0) },
  { name: "etcd revokes late", happens: (world) => faults.etcdLosesItsLeader(world, 200, 1500) },
  { name: "etcd's leader freezes", happens: (world) => faults.etcdsLeaderFreezes(world, 200, LONG_MS) },
  { name: "etcd loses its data", happens: (world) => faults.etcdIsRestored(world, SHORT_MS) },
  {
    name: "etcd goes back in time",
    happens: (world) => {
      const backup = world.etcd.backup();
      world.schedule.after(SHORT_MS, () => faults.etcdIsRestored(world, SHORT_MS, backup));
    },
  },
  { name: "the first key is deleted", happens: (world) => faults.operatorDeletes(world, world.etcd.keys[0]) },
  { name: "the oldest lease is revoked", happens: (world) => faults.operatorRevokes(world, world.etcd.leaseIds[0]) },
  { name: "etcd compacts", happens: faults.etcdCompacts },
];

/** Faults of etcd happen after every so many decisions only: they concern all nodes. */
const ETCD_EVERY = 3;

const FATES: readonly Fate[] = ["lost", "unanswered", "late", "too-late", "doubled"];

/** The story: nodes join, hand over, crash, and stop; etcd changes its raft leader. */
function begin(world: World): void {
  const [a, b, c] = world.nodes as [ModelNode, ModelNode, ModelNode?];
  const at = (ms: number, run: () => void) => world.schedule.after(ms, run);
  at(0, () => a.start());
  at(300, () => b.start());
  at(600, () => c?.start());
  at(1500, () => faults.resigns(world, a));
  at(2500, () => faults.crashes(world, b, 700));
  at(6500, () => faults.etcdLosesItsLeader(world, 200, 0));
  at(8500, () => faults.stops(world, a, 1500, 2000));
}

/** Runs the story with these faults. */
export async function tell(
  variant: typeof VARIANTS[number],
  chosen: readonly Fault[],
  { sabotage, trace, decided = () => {}, called = () => {} }: {
    readonly sabotage?: Sabotage;
    readonly trace?: boolean;
    readonly decided?: (node: number) => void;
    readonly called?: () => void;
  } = {},
): Promise<RunResult> {
  let calls = 0;
  const decisions = Array.from({ length: variant.nodes }, () => 0);
  const fateOfCall = () => {
    const call = calls++;
    if (!world.peace) called();
    return chosen.find(({ point }) => "call" in point && point.call === call)?.fate;
  };
  const options = { random: new NoSurprises(0), ttlMs: TTL_MS, workEndsMs: 100, sabotage, trace, fateOfCall };
  const world = new World({ ...options, ...variant });
  world.onDecision = (decider) => {
    const node = world.nodes.indexOf(decider);
    const decision = decisions[node]!++;
    if (world.peace) return;
    decided(node);
    for (const { point, happens } of chosen) {
      if (!("node" in point) || point.node !== node || point.decision !== decision) continue;
      world.schedule.after(0, () => happens!(world, decider));
    }
  };
  begin(world);
  return await world.run(STORY_MS);
}

/** Every single fault at every point of a variant. */
export async function singles(variant: typeof VARIANTS[number]): Promise<Fault[]> {
  const all: Fault[] = [];
  const decisions = Array.from({ length: variant.nodes }, () => 0);
  let [calls, count] = [0, 0];
  const decided = (node: number) => {
    const point = { node, decision: decisions[node]!++ };
    const kinds = count++ % ETCD_EVERY === 0 ? [...NODE_KINDS, ...ETCD_KINDS] : NODE_KINDS;
    all.push(...kinds.map((kind) => ({ ...kind, point })));
  };
  const called = () => {
    const call = calls++;
    all.push(...FATES.map((fate) => ({ name: fate, fate, point: { call } })));
  };
  await tell(variant, [], { decided, called });
  return all;
}

/** Whether two faults together leave the assumptions intact. */
export function mayMeet(one: Fault, other: Fault): boolean {
  return !(one.clock && other.clock && one.clock !== other.clock);
}

/** A fault in words. */
export function describe({ name, point }: Fault): string {
  return "call" in point
    ? `call ${point.call} is ${name}`
    : `${"abcd"[point.node]} ${name} at decision ${point.decision}`;
}

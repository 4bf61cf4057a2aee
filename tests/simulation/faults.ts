import { HEALTHY_LINK, type Link, type ModelNode } from "./model_node.ts";
import type { World } from "./world.ts";

/** Changes the link of a node for a while. */
function link(world: World, node: ModelNode, ms: number, what: string, change: Partial<Link>): void {
  const healthy = Object.fromEntries(Object.keys(change).map((key) => [key, HEALTHY_LINK[key as keyof Link]]));
  world.say(`${node.id} ${what}`);
  Object.assign(node.link, change);
  world.schedule.after(ms, () => {
    Object.assign(node.link, healthy);
    node.healed();
  });
}

export function isCutOff(world: World, node: ModelNode, ms: number): void {
  link(world, node, ms, "is cut off", { out: false, in: false });
}

export function isNotHeard(world: World, node: ModelNode, ms: number): void {
  link(world, node, ms, "is not heard", { out: false });
}

export function hearsNothing(world: World, node: ModelNode, ms: number): void {
  link(world, node, ms, "does not hear", { in: false });
}

export function isFarAway(world: World, node: ModelNode, ms: number, slowMs: number): void {
  link(world, node, ms, `is up to ${slowMs} ms away`, { slowMs });
}

export function watchLags(world: World, node: ModelNode, ms: number, lagMs: number): void {
  link(world, node, ms, `has a watch that lags by ${lagMs} ms`, { lagMs });
}

export function watchStalls(world: World, node: ModelNode, ms: number): void {
  link(world, node, ms, "has a watch that stalls", { stalled: true });
}

export function losesMessages(world: World, node: ModelNode, ms: number, loss: number): void {
  link(world, node, ms, "loses messages", { loss });
}

/** The process stops for a while; with `sleep`, its machine does. */
export function freezes(world: World, node: ModelNode, ms: number, sleep: boolean, thaws = () => {}): void {
  if (!node.core || node.frozen) return;
  world.say(`${node.id} ${sleep ? "sleeps" : "freezes"}`);
  world.freeze(node, sleep);
  world.schedule.after(ms, () => {
    if (!node.frozen) return;
    world.say(`${node.id} ${sleep ? "wakes" : "thaws"}`);
    thaws();
    node.thaw();
  });
}

export function crashes(world: World, node: ModelNode, restartsAfterMs: number): void {
  if (!node.core) return;
  world.say(`${node.id} crashes`);
  node.crash();
  world.schedule.after(restartsAfterMs, () => node.core ?? node.start());
}

/** Stops in good order, and starts again. */
export function stops(world: World, node: ModelNode, endsAfterMs: number, restartsAfterMs: number): void {
  if (!node.core || node.frozen) return;
  world.say(`${node.id} stops`);
  node.stop();
  world.schedule.after(endsAfterMs, () => {
    if (!node.frozen && !world.peace) node.crash();
  });
  world.schedule.after(restartsAfterMs, () => node.core ?? node.start());
}

export function losesWatch(world: World, node: ModelNode): void {
  world.say(`${node.id} loses its watch`);
  node.cutWatch();
}

export function wallClockIsSet(world: World, node: ModelNode, ms: number): void {
  world.say(`${node.id} has its wall clock set by ${ms} ms`);
  node.setWall(ms);
}

export function resigns(world: World, node: ModelNode, to?: { readonly id: string; readonly token: bigint }): void {
  world.say(`${node.id} resigns${to ? ` for ${to.id}` : ""}`);
  if (!node.frozen) node.resign(to?.token);
}

export function etcdStops(world: World, ms: number): void {
  const { etcd } = world;
  if (etcd.health !== "up") return;
  world.say("etcd stops");
  etcd.stop();
  world.schedule.after(ms, () => {
    if (etcd.health !== "down") return;
    world.say("etcd starts");
    etcd.start();
  });
}

/** etcd stops, and starts with the data of a backup or with none. */
export function etcdIsRestored(world: World, ms: number, backup?: ReturnType<World["etcd"]["backup"]>): void {
  if (world.etcd.health !== "up" || world.peace) return;
  world.say("etcd stops");
  world.etcd.stop();
  world.schedule.after(ms, () => {
    if (world.etcd.health === "down") world.restore(backup);
  });
}

export function etcdLosesItsLeader(world: World, electionMs: number, lateMs: number): void {
  if (world.etcd.health !== "up") return;
  world.say("etcd loses its leader");
  world.etcd.loseLeader(electionMs, lateMs);
}

export function etcdsLeaderFreezes(world: World, electionMs: number, frozenMs: number): void {
  if (world.etcd.health !== "up") return;
  world.say("etcd's leader freezes");
  world.etcd.freezeLeader(electionMs, frozenMs, world.random);
}

export function operatorDeletes(world: World, key: World["etcd"]["keys"][number] | undefined): void {
  if (!key || world.etcd.health !== "up") return;
  world.say(`an operator deletes ${key.key}`);
  world.disown([key]);
  world.etcd.delete(key.key);
}

export function operatorRevokes(world: World, lease: bigint | undefined): void {
  if (lease === undefined || world.etcd.health !== "up") return;
  world.say(`an operator revokes ${lease.toString(16)}`);
  world.disown(world.etcd.keysOf(lease));
  world.etcd.revoke(lease);
}

export function etcdCompacts(world: World): void {
  world.say("etcd compacts");
  world.etcd.compact();
}

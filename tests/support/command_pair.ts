import { assertEquals } from "@std/assert";
import type { LocalEtcd } from "../../dev/local_etcd.ts";
import type { Beats } from "./beats.ts";
import { TestNode } from "./node.ts";
import { lives } from "./tree.ts";
import { within } from "./until.ts";

const TTL = ["--ttl", "2"];

/** What a node says of its command. */
export interface Status {
  readonly role: string;
  readonly command: { running: boolean; pid: number | null; starts: number; last_exit: unknown };
  readonly watchdog: { pid: number | null } | null;
}

/** What a node says at the moment. */
export async function status(node: TestNode): Promise<Status> {
  return JSON.parse((await node.get("/status")).body);
}

/** Resolves when a process has ended that is not ours, so that nothing tells. */
export async function gone(pid: number): Promise<void> {
  while (lives(pid)) await new Promise((resolve) => setTimeout(resolve, 5));
}

/** How the two nodes are to be. */
export interface PairOptions {
  readonly flags?: string[];
  /** Flags of the leader only. */
  readonly leaderFlags?: string[];
  /** What the command does before it beats. */
  readonly shell?: string;
  /** How the leader reaches etcd. */
  readonly through?: Pick<LocalEtcd, "endpoint">;
  readonly preload?: string;
}

/** A leader and a node that waits, both with a command that beats. */
export async function pair(
  etcd: LocalEtcd,
  beats: Beats,
  { flags = TTL, leaderFlags = [], shell = "", through = etcd, preload }: PairOptions = {},
): Promise<[leader: TestNode, other: TestNode]> {
  const command = ["--", ...beats.command(shell)];
  const leader = await TestNode.start(through, [...flags, ...leaderFlags, ...command], {
    preload,
    env: { BLOCK_MS: "4000" },
  });
  await leader.logs("command-started");
  const other = await TestNode.start(etcd, [...flags, ...command]);
  await other.logs("following");
  await within(5000, "the first beat", beats.begins());
  return [leader, other];
}

/**
 * The other node leads and runs the command, and never did two of them run at once. If the key was taken away, the
 * former leader hears of it no sooner than the next one: then its command ends soon.
 */
export async function takesOver(other: TestNode, beats: Beats, keyWasTaken = false): Promise<void> {
  const token = Number((await other.logs("leading")).token);
  const beaten = (times: number) => within(5000, "the successor's beat", beats.begins("main", token, times));
  // For so long that one that goes on would be seen.
  await beaten(20);
  if (!keyWasTaken) return assertEquals(beats.assertNoOverlap(), 2);
  const before = beats.besides(token);
  await beaten(40);
  assertEquals(beats.besides(token), before);
}

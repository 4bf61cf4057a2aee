import { kill } from "node:process";

/** The environment variable by which every process of a command is known, also one that left its process group. */
export const RUN_ID_VARIABLE = "LEADER_NODE_RUN";

/** How often it is looked whether processes have ended that are not our children: nothing tells. */
const LOOK_EVERY_MS = 5;

/** A command with all the processes that it started. */
export interface ProcessTree {
  /** The first process, whose group the others are in. */
  readonly pid?: number;
  /** The value of `FAMILY_VARIABLE` that they all inherited. */
  readonly runId: string;
}

/** Sends a signal to all of a tree. */
export function signalTree(tree: ProcessTree, signal: Deno.Signal): void {
  // The group at once, so that none of it can start another one in between.
  if (tree.pid !== undefined) send(Deno.build.os === "windows" ? tree.pid : -tree.pid, signal);
  for (const { pid, group } of members(tree) ?? []) if (group !== tree.pid) send(pid, signal);
}

/** Whether anything of a tree lives. */
export function isAlive(tree: ProcessTree): boolean {
  const known = members(tree);
  if (known) return known.length > 0;
  return tree.pid !== undefined && exists(Deno.build.os === "windows" ? tree.pid : -tree.pid);
}

/** Waits until nothing of a tree lives, at most so long, and says whether that is so. */
export async function treeEnds(tree: ProcessTree, withinMs: number): Promise<boolean> {
  const from = performance.now();
  while (isAlive(tree)) {
    if (performance.now() - from >= withinMs) return false;
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
  return true;
}

/** Kills a tree; resolves when nothing of it lives any more. */
export async function killTree(tree: ProcessTree): Promise<void> {
  do signalTree(tree, "SIGKILL"); while (!await treeEnds(tree, 100));
}

interface Member {
  readonly pid: number;
  readonly group: number;
}

/** The living processes of a tree, where the system tells of all its processes: on Linux. */
function members({ pid, runId }: ProcessTree): Member[] | undefined {
  if (Deno.build.os !== "linux") return undefined;
  const runIded = `${RUN_ID_VARIABLE}=${runId}\0`;
  const found: Member[] = [];
  for (const { name } of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = Deno.readTextFileSync(`/proc/${name}/stat`);
      const [state, , group] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      if (state === "Z" || state === "X") continue;
      const inGroup = Number(group) === pid;
      if (inGroup || Deno.readTextFileSync(`/proc/${name}/environ`).includes(runIded)) {
        found.push({ pid: Number(name), group: Number(group) });
      }
    } catch {
      // It has ended, or it is another user's.
    }
  }
  return found;
}

function send(pid: number, signal: Deno.Signal): void {
  try {
    Deno.kill(pid, signal);
  } catch {
    // It has ended.
  }
}

function exists(pid: number): boolean {
  try {
    return kill(pid, 0);
  } catch {
    return false;
  }
}

import { kill } from "node:process";

/** The environment variable by which every process of a command is known, also one that left its process group. */
export const FAMILY_VARIABLE = "LEADER_NODE_RUN";

/** How often it is looked whether processes have ended that are not our children: nothing tells. */
const LOOK_EVERY_MS = 5;

/** A command with all the processes that it started. */
export interface Family {
  /** The first process, whose group the others are in. */
  readonly pid?: number;
  /** The value of `FAMILY_VARIABLE` that they all inherited. */
  readonly mark: string;
}

/** Sends a signal to all of a family. */
export function signalFamily(family: Family, signal: Deno.Signal): void {
  // The group at once, so that none of it can start another one in between.
  if (family.pid !== undefined) send(Deno.build.os === "windows" ? family.pid : -family.pid, signal);
  for (const { pid, group } of members(family) ?? []) if (group !== family.pid) send(pid, signal);
}

/** Whether anything of a family lives. */
export function isAlive(family: Family): boolean {
  const known = members(family);
  if (known) return known.length > 0;
  return family.pid !== undefined && exists(Deno.build.os === "windows" ? family.pid : -family.pid);
}

/** Waits until nothing of a family lives, at most so long, and says whether that is so. */
export async function familyEnds(family: Family, withinMs: number): Promise<boolean> {
  const from = performance.now();
  while (isAlive(family)) {
    if (performance.now() - from >= withinMs) return false;
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
  return true;
}

/** Kills a family; resolves when nothing of it lives any more. */
export async function killFamily(family: Family): Promise<void> {
  do signalFamily(family, "SIGKILL"); while (!await familyEnds(family, 100));
}

interface Member {
  readonly pid: number;
  readonly group: number;
}

/** The living processes of a family, where the system tells of all its processes: on Linux. */
function members({ pid, mark }: Family): Member[] | undefined {
  if (Deno.build.os !== "linux") return undefined;
  const marked = `${FAMILY_VARIABLE}=${mark}\0`;
  const found: Member[] = [];
  for (const { name } of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = Deno.readTextFileSync(`/proc/${name}/stat`);
      const [state, , group] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      if (state === "Z" || state === "X") continue;
      const inGroup = Number(group) === pid;
      if (inGroup || Deno.readTextFileSync(`/proc/${name}/environ`).includes(marked)) {
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

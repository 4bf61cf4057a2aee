import { loadLibc } from "./libc.ts";
import { PLATFORM, type Platform } from "./platform.ts";
import { isShortage } from "./processes.ts";

/** Where a process is among the control groups of version 2, and whether sub-groups may be made there. */
export interface CgroupPlace {
  /** The folder of its group. */
  readonly folder: string;
  /** The group's path, as the process sees it. */
  readonly path: string;
}

/**
 * Finds the group of a process from its `/proc/PID/cgroup` and `/proc/PID/mountinfo`; nothing where version 2 is not
 * mounted, or the group lies outside of what is mounted.
 */
export function parsePlace(cgroup: string, mountinfo: string): CgroupPlace | undefined {
  const path = /^0::(\/.*)$/m.exec(cgroup)?.[1];
  if (path === undefined || path.startsWith("/..")) return undefined;
  for (const line of mountinfo.split("\n")) {
    const [left, right] = line.split(" - ");
    if (right?.split(" ")[0] !== "cgroup2") continue;
    const [, , , root, mount] = left!.split(" ");
    const inside = root === "/" || path === root || path.startsWith(`${root}/`);
    if (!inside) continue;
    const below = root === "/" ? path : path.slice(root!.length);
    return { folder: `${mount}${below}`.replace(/\/$/, ""), path };
  }
  return undefined;
}

/**
 * Whether this process may make groups of its own below its group. Whoever is not root can only write where the group
 * was delegated. Root could anywhere, but must leave alone what is a service manager's: a group is root's to use if it
 * is the top one (of a container, as a rule), or marked as delegated.
 */
export function mayDivide({ path }: CgroupPlace, uid: number | null, delegated: () => boolean): boolean {
  return uid !== 0 || path === "/" || delegated();
}

/**
 * A control group for the processes of a command; whatever they do, they stay in it. What was forked before the first
 * process was moved into it is outside.
 */
export class Cgroup {
  readonly folder: string;

  /** Makes one with this name below the group of this process, where that is possible. */
  static create(name: string, place: CgroupPlace | undefined = ownPlace()): Cgroup | undefined {
    if (!place || !mayDivide(place, Deno.uid(), () => isDelegated(place.folder))) return undefined;
    const folder = `${place.folder}/${name}`;
    try {
      Deno.mkdirSync(folder);
    } catch {
      return undefined;
    }
    const group = new Cgroup(folder);
    try {
      // Older kernels than 5.14 cannot kill a group.
      Deno.statSync(`${folder}/cgroup.kill`);
      return group;
    } catch {
      group.remove();
      return undefined;
    }
  }

  /** One that another process made. */
  constructor(folder: string) {
    this.folder = folder;
  }

  /** Moves a process into it; those that it starts from then on are in it too. Moving waits for the kernel. */
  async add(pid: number): Promise<boolean> {
    return await Deno.writeTextFile(`${this.folder}/cgroup.procs`, String(pid), { create: false })
      .then(() => true, () => false);
  }

  /** A command line that moves itself into it before it runs a program: then nothing that this starts is outside. */
  entering(argv: readonly string[]): readonly string[] {
    return ["/bin/sh", "-c", 'echo 0 >"$0/cgroup.procs" && exec "$@"', this.folder, ...argv];
  }

  /** The living processes in it and in the groups that they made below it; undefined if they cannot be read now. */
  pids(): number[] | undefined {
    try {
      return [this.folder, ...foldersBelow(this.folder)].flatMap(pidsIn);
    } catch {
      return undefined;
    }
  }

  /** Kills all processes in it and below it, in one step that none can fork away from. */
  kill(): boolean {
    try {
      Deno.writeTextFileSync(`${this.folder}/cgroup.kill`, "1", { create: false });
      return true;
    } catch {
      return false;
    }
  }

  /** Removes it, with those below it, if no process is left in them. */
  remove(): void {
    try {
      for (const folder of [...foldersBelow(this.folder).reverse(), this.folder]) Deno.removeSync(folder);
    } catch {
      // Something lives in one of them, or it is gone.
    }
  }
}

/** The folders below one, parents first. */
function foldersBelow(folder: string): string[] {
  const folders = readable(() => [...Deno.readDirSync(folder)]).filter(({ isDirectory }) => isDirectory);
  return folders.flatMap(({ name }) => [`${folder}/${name}`, ...foldersBelow(`${folder}/${name}`)]);
}

function pidsIn(folder: string): number[] {
  const lines = readable(() => Deno.readTextFileSync(`${folder}/cgroup.procs`).split("\n"));
  return lines.filter(Boolean).map(Number);
}

/** What is read; nothing of a group that is gone, or has threads only. */
function readable<T>(read: () => T[]): T[] {
  try {
    return read();
  } catch (error) {
    if (isShortage(error)) throw error;
    return [];
  }
}

/** Where this process is; nothing where there are no control groups. */
export function ownPlace({ isLinux }: Platform = PLATFORM): CgroupPlace | undefined {
  if (!isLinux) return undefined;
  try {
    return parsePlace(Deno.readTextFileSync("/proc/self/cgroup"), Deno.readTextFileSync("/proc/self/mountinfo"));
  } catch {
    return undefined;
  }
}

/** Whether systemd has marked the group as delegated (by `Delegate=`). */
function isDelegated(folder: string): boolean {
  const library = loadLibc();
  if (!("libc" in library)) return false;
  const zero = (text: string) => new TextEncoder().encode(`${text}\0`);
  return ["trusted.delegate", "user.delegate"].some((name) => {
    const value = new Uint8Array(8);
    return library.libc.getxattr(zero(folder), zero(name), value, 8n) === 1n && value[0] === "1".charCodeAt(0);
  });
}

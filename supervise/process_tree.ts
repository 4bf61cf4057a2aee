import type { Cgroup } from "./cgroup.ts";
import { PLATFORM, type Platform } from "./platform.ts";
import {
  allPids,
  childrenOf,
  describe,
  exists,
  isSame,
  isShortage,
  listsChildren,
  processesByPs,
  type ProcessInfo,
  processInfo,
  trySignal,
  unseen,
} from "./processes.ts";

/** The environment variable by which processes of a command are known that are found in no other way. */
export const RUN_VARIABLE = "LEADER_NODE_RUN";

/** How often to look, at most, while waiting for processes to end. */
const LOOK_EVERY_MS = 50;
/** The first looks come sooner: most commands end at once. */
const FIRST_LOOK_MS = 5;
/** How long a look may keep the event loop busy before others have their turn. */
const SLICE_MS = 4;
/** How many looks in a row may be uncertain. */
const MAX_LOOKS = 20;
/** How often environments are read, at most, while killing. */
const MARKS_EVERY_MS = 1000;
/** How long to wait for processes to die before they are killed again. */
const KILL_AGAIN_MS = 100;
const REFUSED_AGAIN_MS = 1000;
const MAX_REPORT_MS = 60_000;
/** A process that this user may not send signals to. */
export interface Refusal {
  readonly pid: number;
  /** The user that it runs as. */
  readonly user: string;
  readonly command: string;
}

/** Where the processes of a command are to be found. */
export interface ProcessTreeOptions {
  /** The value of `RUN_VARIABLE` that they were started with. */
  readonly mark: string;
  /**
   * Processes whose children all belong to the tree, since its orphans come to them: who started it, then the
   * subreapers above, in this order.
   */
  readonly adopters: () => readonly number[];
  /** Processes that do not belong to it although an adopter is their parent: a watchdog, a node. */
  readonly foreign: () => readonly number[];
  /** Whether orphans may have gone to others than the adopters; only then is every process's environment read. */
  readonly mayEscape: () => boolean;
  /** The control group that they are in, if there is one. */
  readonly cgroup?: Cgroup;
  /** Where processes are read from, for tests. */
  readonly source?: () => Source;
  /** What is sent to them by, for tests. */
  readonly send?: typeof trySignal;
  /**
   * The system that they run on.
   *
   * @default {this one}
   */
  readonly platform?: Platform;
}

/**
 * All processes of a command, however they daemonized. They are found by their parents, starting at the processes
 * that adopt orphans; by the control group; where that may not be enough, by their environment.
 */
export class ProcessTree {
  readonly #options: ProcessTreeOptions;
  readonly #platform: Platform;
  readonly #send: typeof trySignal;
  /** The living members at the last look. Wherever they go afterwards, they are found again. */
  #members = new Map<number, ProcessInfo>();
  /** All members that ever led a process group: such a group has members only. */
  readonly #leaders = new Set<number>();
  /** Those that were found dead at the last look, and not reaped. */
  #dead = new Map<number, string>();
  #marksReadAt = -Infinity;
  #wake = () => {};

  constructor(options: ProcessTreeOptions) {
    this.#options = options;
    this.#platform = options.platform ?? PLATFORM;
    this.#send = options.send ?? trySignal;
  }

  /** The living members at the last look. */
  get members(): readonly ProcessInfo[] {
    return [...this.#members.values()];
  }

  /** Adds a process that may not be found otherwise: the command's first, or one that another process found. */
  add(pid: number): void {
    const info = processInfo(pid) ?? unseen(pid);
    this.#members.set(pid, info);
    // Each command gets a group of its own, which only Linux tells at once.
    if (info.group === pid || !this.#platform.isLinux) this.#leaders.add(pid);
  }

  /** Looks for all members. It gives way to others again and again, however many there are. */
  async look(): Promise<readonly ProcessInfo[]> {
    await this.#look(() => {});
    return this.members;
  }

  /**
   * One look. It is given each process that certainly is a member as soon as that is known. Says whether nothing can
   * have been missed: who has ended since its parent's children were listed may have left children of its own, which
   * then were with an adopter whose list had been read before. What cannot be read, since files are short for example,
   * says nothing.
   */
  async #look(listed: (pid: number) => void): Promise<boolean> {
    const { adopters, cgroup } = this.#options;
    const slice = new Slice();
    const source = this.#options.source?.() ?? await openSource(slice, this.#platform);
    if (!source) return false;
    const found = new Map<number, ProcessInfo>();
    const dead = new Map<number, string>();
    const not = this.#strangers();
    let certain = true;
    const read = (pids: readonly number[] | undefined) => {
      if (!pids) certain = false;
      return (pids ?? []).filter((pid) => !not.has(pid));
    };
    const walk = async (pids: readonly number[] | undefined) => {
      const queue = read(pids);
      queue.forEach(listed);
      for (let pid = queue.pop(); pid !== undefined; pid = queue.pop()) {
        if (slice.isOver) await slice.next();
        if (found.has(pid)) continue;
        const info = source.info(pid);
        if (!info || info.dead) {
          if (!info || this.#dead.get(pid) !== info.started) certain = false;
          if (info) dead.set(pid, info.started);
          continue;
        }
        // Which process it is, we may have seen before.
        found.set(pid, info.started === "" ? this.#members.get(pid) ?? info : info);
        if (info.group === pid) this.#leaders.add(pid);
        const children = read(source.children(info));
        children.forEach(listed);
        queue.push(...children);
      }
    };
    for (const adopter of adopters()) await walk(source.childrenOf(adopter));
    if (cgroup) await walk(cgroup.pids());
    // Where orphans come to us, parents lead to all. A group's number may have become another program's since.
    if (this.#options.mayEscape()) await walk(source.inGroups(this.#leaders));
    for (const [pid, member] of this.#members) {
      if (slice.isOver) await slice.next();
      if (found.has(pid)) continue;
      const info = source.info(pid);
      if (info && isSame(info, member)) await walk([pid]);
    }
    this.#members = found;
    this.#dead = dead;
    return certain;
  }

  /** Whether any member lives. The answer is cheap while one does. */
  async isAlive(): Promise<boolean> {
    if (await this.#anyOfLastLook()) return true;
    // Twice in a row: a list of children is not read in one step; if one of them is reaped meanwhile, another can be
    // left out. Who is never certain has met processes that fork and end, again and again.
    for (let looks = 0, certain = 0; certain < 2; looks++) {
      certain = await this.#look(() => {}) ? certain + 1 : 0;
      if (this.#members.size > 0 || looks > MAX_LOOKS) return true;
    }
    if (this.#options.mayEscape() && !await this.#addMarked()) return true;
    return this.#members.size > 0;
  }

  /** Resolves when no member lives, but within this time; says whether that is so. */
  ended(withinMs: number): Promise<boolean> {
    return this.#until(async () => !await this.isAlive(), withinMs);
  }

  /** Who waits for the end looks now: a member may have ended. */
  poke(): void {
    this.#wake();
  }

  /** Sends a signal to all members, and says to which of them this user may not. */
  async signal(signal: Deno.Signal): Promise<readonly Refusal[]> {
    const last = signal === "SIGKILL";
    if (last) this.#options.cgroup?.kill();
    // What forks and ends all the time is gone by the end of a look.
    await this.#look(last ? (pid) => this.#send(pid, signal) : () => {});
    if (this.#options.mayEscape() && performance.now() - this.#marksReadAt >= MARKS_EVERY_MS) await this.#addMarked();
    const members = this.members;
    // A group gets it in one step, so that none of it can start another process in between.
    const known = members.map(({ group }) => group).filter((group) => this.#leaders.has(group));
    const groups = new Set(this.#platform.isUnix ? known : []);
    const send = (pid: number) => {
      const sent = this.#send(pid, signal);
      // One that was stopped would not act on it, nor end.
      if (!last && this.#platform.isUnix) this.#send(pid, "SIGCONT");
      return sent;
    };
    for (const group of groups) send(-group);
    const refused: number[] = [];
    const slice = new Slice();
    for (const { pid, group } of members) {
      if (slice.isOver) await slice.next();
      // Some programs take a second SIGTERM for an order to hurry.
      const sent = groups.has(group) && !last ? this.#send(pid, 0) : send(pid);
      if (sent === "refused") refused.push(pid);
    }
    return await Promise.all(refused.map(async (pid) => ({ pid, ...await describe(pid) })));
  }

  /**
   * Kills all members, again and again, and resolves when none lives. It tells, with growing pauses, of those that
   * this user may not kill.
   */
  async kill(onRefused: (refusals: readonly Refusal[]) => void = () => {}): Promise<void> {
    let reportAt = -Infinity;
    let pause = REFUSED_AGAIN_MS;
    const slice = new Slice();
    for (;;) {
      const refused = await this.signal("SIGKILL");
      if (refused.length > 0 && performance.now() >= reportAt) {
        onRefused(refused);
        reportAt = performance.now() + pause;
        pause = Math.min(MAX_REPORT_MS, 2 * pause);
      }
      const onlyRefused = refused.length > 0 && refused.length === this.#members.size;
      // Not longer than these live: what forks must be met again before it is somewhere else.
      await this.#until(async () => !await this.#anyOfLastLook(), onlyRefused ? REFUSED_AGAIN_MS : KILL_AGAIN_MS);
      if (!await this.isAlive()) return;
      // Nothing can be read now: files are short, which others can free only if they have their turn.
      if (this.#members.size === 0) await this.#pause(FIRST_LOOK_MS);
      else if (slice.isOver) await slice.next();
    }
  }

  /** Whether any of those that the last look found still lives. */
  async #anyOfLastLook(): Promise<boolean> {
    const slice = new Slice();
    const members = this.#members;
    for (const [pid, member] of members) {
      if (slice.isOver) await slice.next();
      const now = processInfo(pid);
      if (now && !now.dead && isSame(now, member)) return true;
      // Where only a look can tell, it must start from these.
      if (this.#platform.isLinux) members.delete(pid);
    }
    return false;
  }

  /** Asks with growing pauses, for so long. */
  async #until(yes: () => Promise<boolean>, withinMs: number): Promise<boolean> {
    const from = performance.now();
    for (let pause = FIRST_LOOK_MS;; pause = Math.min(LOOK_EVERY_MS, 2 * pause)) {
      if (await yes()) return true;
      const left = withinMs - (performance.now() - from);
      if (left <= 0) return false;
      await this.#pause(Math.min(pause, left));
    }
  }

  /** What is no member, wherever it is found. */
  #strangers(): ReadonlySet<number> {
    return new Set([Deno.pid, ...this.#options.adopters(), ...this.#options.foreign()]);
  }

  /** Finds processes by the mark in their environment, which they may have overwritten. Says whether it could read. */
  async #addMarked(): Promise<boolean> {
    if (!this.#platform.isLinux) return true;
    this.#marksReadAt = performance.now();
    const text = `${RUN_VARIABLE}=${this.#options.mark}\0`;
    const not = this.#strangers();
    let certain = true;
    const unread = (error: unknown) => {
      if (isShortage(error)) certain = false;
      return "";
    };
    const pids = allPids()?.filter((pid) => !this.#members.has(pid) && !not.has(pid));
    if (!pids) return false;
    const check = async () => {
      for (let pid = pids.pop(); pid !== undefined; pid = pids.pop()) {
        const environment = await Deno.readTextFile(`/proc/${pid}/environ`).catch(unread);
        if (!environment.includes(text)) continue;
        const info = processInfo(pid);
        if (info && !info.dead) this.#members.set(pid, info);
      }
    };
    await Promise.all(Array.from({ length: 8 }, check));
    return certain;
  }

  async #pause(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ms);
    this.#wake = resolve;
    await promise;
    clearTimeout(timer);
  }
}

/** Where a look reads from. Children are undefined if they cannot be read. */
export interface Source {
  info(pid: number): ProcessInfo | undefined;
  children(info: ProcessInfo): readonly number[] | undefined;
  childrenOf(pid: number): readonly number[] | undefined;
  /** Those in these groups, where it costs nothing to tell. */
  inGroups(groups: ReadonlySet<number>): readonly number[];
}

/** Nothing if there is no way to read any now. */
async function openSource(slice: Slice, { list }: Platform): Promise<Source | undefined> {
  if (list === "proc" && listsChildren()) {
    return {
      info: processInfo,
      children: ({ pid, threads }) => childrenOf(pid, threads),
      childrenOf,
      inGroups: () => [],
    };
  }
  if (list === undefined) return tableSource([]);
  const all = list === "proc" ? await scan(slice) : await processesByPs();
  return all && tableSource(all);
}

/** All processes at once, for kernels that do not list children. */
async function scan(slice: Slice): Promise<ProcessInfo[] | undefined> {
  const pids = allPids();
  if (!pids) return undefined;
  const all: ProcessInfo[] = [];
  for (const pid of pids) {
    if (slice.isOver) await slice.next();
    const info = processInfo(pid);
    if (info) all.push(info);
  }
  return all;
}

/** Reads from a list of all processes. */
export function tableSource(all: readonly ProcessInfo[]): Source {
  const byPid = new Map(all.map((info) => [info.pid, info]));
  const byParent = Map.groupBy(all, ({ parent }) => parent);
  const childrenOf = (pid: number) => byParent.get(pid)?.map((info) => info.pid) ?? [];
  return {
    info: (pid) => byPid.get(pid) ?? (exists(pid) ? unseen(pid) : undefined),
    children: ({ pid }) => childrenOf(pid),
    childrenOf,
    inGroups: (groups) => all.filter(({ group }) => groups.has(group)).map(({ pid }) => pid),
  };
}

/** A share of the event loop's time. */
class Slice {
  #from = performance.now();

  get isOver(): boolean {
    return performance.now() - this.#from >= SLICE_MS;
  }

  async next(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve));
    this.#from = performance.now();
  }
}

import type { Cgroup } from "./cgroup.ts";
import type { Children } from "./children.ts";
import type { ExitStatus } from "./exit_status.ts";
import { ProcessTree, RUN_VARIABLE } from "./process_tree.ts";
import { spawnProgram } from "./program.ts";

/** All processes of a command, as the supervisor needs them. */
export type CommandProcesses = Pick<ProcessTree, "members" | "isAlive" | "ended" | "signal" | "kill">;

/** A command that runs. */
export interface Launched<Processes = CommandProcesses> {
  /** Its first process. */
  readonly pid: number;
  /** How its first process ends. */
  readonly exit: Promise<ExitStatus>;
  readonly tree: Processes;
  /** Called when nothing of it runs any more. */
  close(): void;
}

/** Starts a command in one of the ways that there are. */
export interface Launcher {
  /**
   * Starts it with `env` added to the environment, as long as `mayStartForMs` says that it may still be started; gives
   * nothing if that took too long.
   *
   * @throws {CommandError} If it cannot be run.
   */
  launch(
    argv: readonly string[],
    env: Readonly<Record<string, string>>,
    mayStartForMs: () => number,
  ): Promise<Launched | undefined>;
}

/** What all launchers know of the command's processes. */
export interface LaunchFacts {
  /** What they all inherit in their environment. */
  readonly mark: string;
  readonly children: Children;
  readonly cgroup?: Cgroup;
  /** The watchdogs of this node, the one that starts the command first. */
  readonly watchdogs: () => readonly number[];
}

/** The processes of a command, as the node finds them. */
export function nodesTree({ mark, children, cgroup, watchdogs }: LaunchFacts): ProcessTree {
  return new ProcessTree({
    mark,
    cgroup,
    adopters: () => children.adopts ? [...watchdogs(), Deno.pid] : [],
    foreign: () => children.former,
    mayEscape: () => !children.adopts,
  });
}

/** Whether a shell hands the environment on: some leave out what cannot be the name of a variable of theirs. */
function passesShell(env: Readonly<Record<string, string>>): boolean {
  return Object.keys({ ...Deno.env.toObject(), ...env }).every((name) => /^[a-z_]\w*$/i.test(name));
}

/** Starts a command as a child of this process. */
export class DirectLauncher implements Launcher {
  readonly #facts: LaunchFacts;

  constructor(facts: LaunchFacts) {
    this.#facts = facts;
  }

  async launch(argv: readonly string[], env: Readonly<Record<string, string>>): Promise<Launched<ProcessTree>> {
    const { children, cgroup, mark } = this.#facts;
    // Where orphans come to us, the group is not all that we have: it need not be there from the start.
    const started = cgroup && !children.adopts && passesShell(env) ? cgroup.entering(argv) : argv;
    const child = spawnProgram(started, { ...env, [RUN_VARIABLE]: mark });
    const exit = children.own(child);
    const tree = nodesTree(this.#facts);
    children.onEnd = () => tree.poke();
    tree.add(child.pid);
    await cgroup?.add(child.pid);
    return { pid: child.pid, exit, tree, close() {} };
  }
}

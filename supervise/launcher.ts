import type { Cgroup } from "./cgroup.ts";
import type { Children } from "./children.ts";
import type { ExitStatus } from "./exit_status.ts";
import { ProcessTree, RUN_VARIABLE } from "./process_tree.ts";
import { spawnProgram } from "./program.ts";

/** What is asked of the processes of a command once it runs. */
export type CommandTree = Pick<ProcessTree, "members" | "look" | "poke" | "isAlive" | "ended" | "signal" | "kill">;

/** A command that runs. */
export interface Launched {
  /** Its first process. */
  readonly pid: number;
  /** How its first process ends. */
  readonly exit: Promise<ExitStatus>;
  /** All its processes. */
  readonly tree: CommandTree;
  /** Called when nothing of it runs any more. */
  close(): void;
}

/** Starts a command in one of the ways that there are. */
export interface Launcher {
  /**
   * Starts it with `env` added to the environment, within this time.
   *
   * @throws {CommandError} If it cannot be run.
   */
  launch(argv: readonly string[], env: Readonly<Record<string, string>>, withinMs: number): Promise<Launched>;
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

/** Starts a command as a child of this process. */
export class DirectLauncher implements Launcher {
  readonly #facts: LaunchFacts;

  constructor(facts: LaunchFacts) {
    this.#facts = facts;
  }

  async launch(argv: readonly string[], env: Readonly<Record<string, string>>): Promise<Launched> {
    const { children, cgroup, mark } = this.#facts;
    const child = spawnProgram(argv, { ...env, [RUN_VARIABLE]: mark });
    const exit = children.own(child);
    const tree = nodesTree(this.#facts);
    children.onEnd = () => tree.poke();
    tree.add(child.pid);
    await cgroup?.add(child.pid);
    return { pid: child.pid, exit, tree, close() {} };
  }
}

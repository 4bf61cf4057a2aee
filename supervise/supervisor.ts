import type { Term } from "../election/mod.ts";
import { killBeforeMs } from "./budgets.ts";
import { killTree, type ProcessTree, RUN_ID_VARIABLE, signalTree, treeEnds } from "./marked_processes.ts";
import { type CommandError, isShortage, startError } from "./program.ts";

/** Secrets of the node, which are none of the command's business. */
const SECRETS = ["LEADER_NODE_USER", "LEADER_NODE_PASSWORD", "LEADER_NODE_CONTROL_TOKEN"];

const FIRST_RESTART_MS = 100;
const MAX_RESTART_MS = 10_000;
/** A command that ran for so long has not failed at its start. */
const SETTLED_MS = 10_000;

/** What a supervisor tells its owner. */
export interface SupervisorHooks {
  started(pid: number): void;
  /** It is being stopped. */
  stopping(pid: number): void;
  /** Nothing of it runs any more. `byItself`: not because the term ended. */
  ended(exit: CommandExit, byItself: boolean): void;
  /** It could not be started. */
  failed(error: CommandError): void;
}

/** How a command is to be supervised. */
export interface SupervisorOptions {
  /** The program and its arguments. */
  readonly argv: readonly string[];
  /** What all its processes are known by. */
  readonly runId: string;
  /** Milliseconds between SIGTERM and SIGKILL. */
  readonly stopGraceMs: number;
  /** The TTL of the lease: nothing of the command may run when it ends. */
  readonly ttlMs: number;
  /** Whether to start it again when it ends by itself. */
  readonly restart: boolean;
  readonly hooks: SupervisorHooks;
}

/** How a command ended. */
export interface CommandExit {
  /** Its exit code, or 128 and the number of the signal that ended it. */
  readonly code: number;
  /** The signal that ended it, if one did. */
  readonly signal: string | null;
}

/** Runs a command while a term lasts, never longer. */
export class Supervisor {
  readonly #options: SupervisorOptions;
  #running: ProcessTree | undefined;
  #starts = 0;
  #lastExit: CommandExit | undefined;
  /** How long to wait before the next start: a command that ends right away shall not keep a core busy. */
  #pauseMs = 0;
  /** Whether the last start failed only for want of files, processes or memory. */
  #shortage = false;

  constructor(options: SupervisorOptions) {
    this.#options = options;
  }

  get status(): { running: boolean; pid?: number; starts: number; lastExit?: CommandExit } {
    const pid = this.#running?.pid;
    return { running: pid !== undefined, pid, starts: this.#starts, lastExit: this.#lastExit };
  }

  /**
   * Runs the command for a term, with `env` added to the environment. Resolves when nothing of it runs
   * any more: with its exit code if it ended by itself, with nothing if the term did.
   */
  async during(term: Term, env: Readonly<Record<string, string>>): Promise<number | undefined> {
    for (;;) {
      if (this.#pauseMs > 0) await ends(term.signal, this.#pauseMs);
      if (term.validFor() <= 0) return undefined;
      const startedAt = performance.now();
      const code = await this.#once(term, env);
      if (code === undefined) return undefined;
      const settled = performance.now() - startedAt > SETTLED_MS;
      this.#pauseMs = settled ? 0 : Math.min(MAX_RESTART_MS, Math.max(FIRST_RESTART_MS, 2 * this.#pauseMs));
      if (!this.#options.restart && !this.#shortage) return code;
    }
  }

  /** Kills all of it at once, without waiting. */
  kill(): void {
    if (this.#running) signalTree(this.#running, "SIGKILL");
  }

  /** Its exit code if it ended by itself. */
  async #once(term: Term, env: Readonly<Record<string, string>>): Promise<number | undefined> {
    const { hooks } = this.#options;
    let child: Deno.ChildProcess;
    this.#shortage = false;
    try {
      child = this.#spawn(env);
    } catch (error) {
      this.#shortage = isShortage(error);
      const failure = startError(this.#options.argv[0]!, error);
      this.#lastExit = { code: failure.exitCode, signal: null };
      hooks.failed(failure);
      return failure.exitCode;
    }
    const tree = { pid: child.pid, runId: this.#options.runId };
    this.#running = tree;
    this.#starts++;
    hooks.started(child.pid);
    await Promise.race([child.status, ends(term.signal)]);
    // A node that was frozen learns of both at once; then it is the term that ended.
    const byItself = term.validFor() > 0;
    if (!byItself) await this.#stop(tree, term);
    await killTree(tree);
    this.#running = undefined;
    const { code, signal } = await child.status;
    this.#lastExit = { code, signal };
    hooks.ended(this.#lastExit, byItself);
    return byItself ? code : undefined;
  }

  /** Asks it to end, and gives it the time that there is. */
  async #stop(tree: ProcessTree & { pid: number }, term: Term): Promise<void> {
    const { hooks, stopGraceMs, ttlMs } = this.#options;
    const grace = Math.min(stopGraceMs, term.stopWithin() - killBeforeMs(ttlMs));
    hooks.stopping(tree.pid);
    if (grace <= 0) return;
    signalTree(tree, "SIGTERM");
    await treeEnds(tree, grace);
  }

  #spawn(env: Readonly<Record<string, string>>): Deno.ChildProcess {
    const [program, ...args] = this.#options.argv;
    const inherited = Object.entries(Deno.env.toObject()).filter(([name]) => !SECRETS.includes(name));
    return new Deno.Command(program!, {
      args,
      clearEnv: true,
      env: { ...Object.fromEntries(inherited), ...env, [RUN_ID_VARIABLE]: this.#options.runId },
      stdin: "inherit",
      stdout: "inherit",
      stderr: "inherit",
      // A process group of its own.
      detached: true,
    }).spawn();
  }
}

/** Resolves when the signal fires, or after so many milliseconds. */
function ends(signal: AbortSignal, withinMs?: number): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = withinMs === undefined ? undefined : setTimeout(resolve, withinMs);
  signal.addEventListener("abort", () => resolve(), { once: true });
  return promise.finally(() => clearTimeout(timer));
}

import type { Term } from "../election/mod.ts";
import { systemTime, type Time } from "../election/internal.ts";
import { graceLeftMs, mayStartForMs } from "./budgets.ts";
import type { ExitStatus } from "./exit_status.ts";
import type { CommandProcesses, Launched, Launcher } from "./launcher.ts";
import type { Refusal } from "./process_tree.ts";
import { CommandError, withOriginalPath } from "./program.ts";

const FIRST_RESTART_MS = 100;
const MAX_RESTART_MS = 10_000;
/** A command that ran for so long has not failed at its start. */
const SETTLED_MS = 10_000;

/** What a supervisor tells its owner. */
export interface SupervisorHooks {
  started(pid: number): void;
  /** It is being stopped. */
  stopping(pid: number): void;
  /** It has ended by itself, and has left processes that are being stopped. */
  leftOver(pids: readonly number[]): void;
  /** Processes of it cannot be ended. Told again and again. */
  refused(refusals: readonly Refusal[]): void;
  /** Nothing of it runs any more. `byItself`: not because the term ended. */
  ended(exit: ExitStatus, byItself: boolean): void;
  /** It could not be started. */
  failed(error: CommandError): void;
}

/** How a command is to be supervised. */
export interface SupervisorOptions {
  /** The program and its arguments. */
  readonly argv: readonly string[];
  readonly launcher: Launcher;
  /** Milliseconds between SIGTERM and SIGKILL. */
  readonly stopGraceMs: number;
  /** The TTL of the lease: nothing of the command may run when it ends. */
  readonly ttlMs: number;
  /** Whether to start it again when it ends by itself. */
  readonly restart: boolean;
  readonly hooks: SupervisorHooks;
  /** For the simulation. */
  readonly time?: Time;
}

/** Runs a command while a term lasts, never longer. */
export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #time: Time;
  #running: Launched | undefined;
  #starts = 0;
  #lastExit: ExitStatus | undefined;
  /** How long to wait before the next start: a command that ends right away shall not keep a core busy. */
  #pauseMs = 0;
  #recheck = () => {};
  /** Whether the last start failed for want of files, processes or memory. */
  #shortage = false;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#time = options.time ?? systemTime;
  }

  get status(): { running: boolean; pid?: number; starts: number; lastExit?: ExitStatus } {
    const pid = this.#running?.pid;
    return { running: pid !== undefined, pid, starts: this.#starts, lastExit: this.#lastExit };
  }

  /**
   * Runs the command for a term, with `env` added to the environment. Resolves when nothing of it runs
   * any more: with its exit code if it ended by itself, with nothing if the term did.
   */
  async during(term: Term, env: Readonly<Record<string, string>>): Promise<number | undefined> {
    for (;;) {
      if (this.#pauseMs > 0) await ends(term.signal, this.#pause(this.#pauseMs));
      if (term.validFor() <= 0) return undefined;
      const startedAt = this.#now();
      const code = await this.#once(term, env);
      if (code === undefined) return undefined;
      const settled = this.#now() - startedAt > SETTLED_MS;
      this.#pauseMs = settled ? 0 : Math.min(MAX_RESTART_MS, Math.max(FIRST_RESTART_MS, 2 * this.#pauseMs));
      if (!this.#options.restart && !this.#shortage) return code;
    }
  }

  /** The time that the lease leaves for stopping has changed: see `stopWithin` of a term. */
  stopTimeChanged(): void {
    this.#recheck();
  }

  /** Kills all of it, and gives those that this user may not kill or that live on after `withinMs`. */
  async kill(withinMs: number): Promise<readonly number[]> {
    const tree = this.#running?.tree;
    if (!tree) return [];
    const late = this.#pause(withinMs);
    await Promise.race([tree.kill(), late.done]);
    late.cancel();
    return tree.members.map(({ pid }) => pid);
  }

  /** Its exit code if it ended by itself. */
  async #once(term: Term, env: Readonly<Record<string, string>>): Promise<number | undefined> {
    const { hooks, launcher, argv, ttlMs } = this.#options;
    let launched: Launched | undefined;
    this.#shortage = false;
    try {
      launched = await launcher.launch(withOriginalPath(argv), env, () => mayStartForMs(term, ttlMs));
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      this.#shortage = error.temporary;
      this.#lastExit = { code: error.exitCode, signal: null };
      hooks.failed(error);
      return error.exitCode;
    }
    if (!launched) return undefined;
    const { pid, exit, tree } = launched;
    this.#running = launched;
    this.#starts++;
    hooks.started(pid);
    await ends(term.signal, { done: exit, cancel() {} });
    // A node that was frozen learns of both at once; then it is the term that ended.
    const byItself = term.validFor() > 0;
    if (!byItself) {
      hooks.stopping(pid);
      await this.#stop(tree, term);
    } else if (await tree.isAlive()) {
      hooks.leftOver(tree.members.map(({ pid }) => pid));
      await this.#stop(tree, term);
    }
    await tree.kill((refusals) => hooks.refused(refusals));
    // All is dead, but who reaps the first process may tell a little later.
    this.#lastExit = await exit;
    launched.close();
    this.#running = undefined;
    hooks.ended(this.#lastExit, byItself);
    return byItself ? this.#lastExit.code : undefined;
  }

  /** Asks it to end, and gives it the time that there is: the grace, if the lease holds for so long. */
  async #stop(tree: CommandProcesses, term: Term): Promise<void> {
    const { stopGraceMs, ttlMs } = this.#options;
    const from = this.#now();
    const left = () => graceLeftMs({ forMs: this.#now() - from, leaseMs: term.stopWithin(), stopGraceMs, ttlMs });
    if (left() <= 0) return;
    const refusals = await tree.signal("SIGTERM");
    if (refusals.length > 0) this.#options.hooks.refused(refusals);
    // The lease may be renewed meanwhile, or lost.
    while (left() > 0) {
      const { promise: recheck, resolve } = Promise.withResolvers<boolean>();
      this.#recheck = () => resolve(false);
      if (await Promise.race([tree.ended(left()), recheck])) return;
    }
  }

  #now(): number {
    return this.#time.now().monotonic;
  }

  #pause(ms: number): Wait {
    const { promise, resolve } = Promise.withResolvers<void>();
    return { done: promise, cancel: this.#time.after(ms, resolve) };
  }
}

/** Something to wait for that can be given up. */
interface Wait {
  readonly done: Promise<unknown>;
  cancel(): void;
}

/** Resolves when the signal fires, or something else is done; leaves nothing behind at the signal. */
async function ends(signal: AbortSignal, { done, cancel }: Wait): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const aborted = () => resolve();
  signal.addEventListener("abort", aborted);
  if (signal.aborted) resolve();
  await Promise.race([promise, done]);
  signal.removeEventListener("abort", aborted);
  cancel();
}

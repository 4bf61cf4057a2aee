import { type ExitStatus, parseExit } from "./exit_status.ts";
import { DirectLauncher, type Launched, type Launcher, type LaunchFacts, nodesTree } from "./launcher.ts";
import { type ProcessTree, RUN_VARIABLE } from "./process_tree.ts";
import { exists, parseStat } from "./processes.ts";
import type { Watchdog } from "./watchdog.ts";

/** How often it is looked after a command whose watchdog may not tell of its end, or may not know its processes. */
const LOOK_EVERY_MS = 1000;
/** How long the watchdog may take to start a command. */
const START_MS = 5000;
/** For a process that is gone without anybody knowing how it ended. */
const UNKNOWN: ExitStatus = { code: 255, signal: null };

/**
 * Starts a command as a child of the watchdog, so that it has all its processes below it when the node dies; as a
 * child of the node where that cannot be.
 */
export class WatchdogLauncher implements Launcher {
  readonly #watchdog: Watchdog;
  readonly #facts: LaunchFacts;

  constructor(watchdog: Watchdog, facts: LaunchFacts) {
    this.#watchdog = watchdog;
    this.#facts = facts;
  }

  async launch(
    argv: readonly string[],
    env: Readonly<Record<string, string>>,
    mayStartForMs: () => number,
  ): Promise<Launched | undefined> {
    const { mark, children } = this.#facts;
    const parent = this.#watchdog.pid;
    const withinMs = Math.min(START_MS, mayStartForMs());
    const pid = await this.#watchdog.start({ argv, env: { ...env, [RUN_VARIABLE]: mark }, withinMs });
    const launched = pid === undefined ? await this.#direct(argv, env, mayStartForMs) : this.#adopt(pid);
    if (!launched) return undefined;
    const { tree } = launched;
    const tellMembers = async () => {
      if (pid !== undefined && this.#watchdog.pid === parent) return;
      const pids = (await tree.look()).map(({ pid }) => pid);
      this.#watchdog.send({ type: "members", pids });
    };
    const timer = setInterval(tellMembers, LOOK_EVERY_MS);
    children.onEnd = () => tree.poke();
    this.#watchdog.onEnd = () => {
      tree.poke();
      // The next one must know them from its start.
      tellMembers();
    };
    return {
      ...launched,
      close: () => {
        clearInterval(timer);
        this.#watchdog.onEnd = () => {};
        launched.close();
      },
    };
  }

  async #direct(
    argv: readonly string[],
    env: Readonly<Record<string, string>>,
    mayStartForMs: () => number,
  ): Promise<Launched<ProcessTree> | undefined> {
    // The watchdog may have started something before it died.
    await nodesTree(this.#facts).kill();
    // To wait for it may have taken all the time that there was.
    if (mayStartForMs() <= 0) return undefined;
    return await new DirectLauncher(this.#facts).launch(argv, env);
  }

  #adopt(pid: number): Launched<ProcessTree> {
    const tree = nodesTree(this.#facts);
    tree.add(pid);
    const { promise: exit, resolve } = Promise.withResolvers<ExitStatus>();
    const ended = (exit: ExitStatus) => {
      resolve(exit);
      tree.poke();
    };
    this.#watchdog.commandEnd(pid).then(ended);
    const forget = this.#facts.children.onReaped(pid, ended);
    let missed = 0;
    const timer = setInterval(() => {
      const state = stateOf(pid);
      if (state === "alive") missed = 0;
      // Whoever reaped it tells, as a rule.
      else if (state !== "gone") ended(state);
      else if (++missed > 1) ended(UNKNOWN);
    }, LOOK_EVERY_MS);
    exit.then(() => clearInterval(timer));
    return {
      pid,
      exit,
      tree,
      close() {
        clearInterval(timer);
        forget();
      },
    };
  }
}

/** How a process is doing that is not a child of this one. */
function stateOf(pid: number): "alive" | "gone" | ExitStatus {
  try {
    const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
    return parseStat(stat).dead ? parseExit(stat) : "alive";
  } catch {
    // What cannot be read may be there all the same.
    return exists(pid) ? "alive" : "gone";
  }
}

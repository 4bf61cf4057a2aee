import { fileURLToPath } from "node:url";
import { environmentWithout } from "./environment.ts";
import { Program } from "./program.ts";

/** One line of a node's log. */
export interface LogLine {
  readonly time: string;
  readonly level: string;
  readonly id: string;
  readonly event: string;
  readonly [field: string]: string | number | boolean;
}

/** What would set a node's flags. */
const SETTINGS = /^(LEADER_NODE|ETCDCTL)_|^DENO_SERVE_ADDRESS$/;

const MAIN = fileURLToPath(new URL("../main.ts", import.meta.url));

/** What else a node may run with. */
export interface NodeProcessOptions {
  readonly env?: Record<string, string>;
  readonly preload?: string;
  /** The limit of open files. */
  readonly files?: number;
  /**
   * What runs as the node.
   *
   * @default {`main.ts`, by Deno}
   */
  readonly program?: readonly string[];
}

/** A leader-node process whose log is read. */
export class NodeProcess {
  readonly pid: number;
  /** Resolves when the process has ended. */
  readonly died: Promise<Deno.CommandStatus>;
  /** Resolves when the process, and all that shared its log, have ended. */
  readonly exited: Promise<Deno.CommandStatus>;
  readonly #program: Program;
  /** Resolved while the log is read. */
  #reading = Promise.resolve();

  /**
   * Starts a node with these flags; `onLine` gets each line of its log, and those that are no JSON as text.
   * The `preload` module runs in it first.
   */
  constructor(
    flags: readonly string[],
    onLine: (line: LogLine | string) => void,
    { env = {}, preload, files, program = byDeno(flags, preload) }: NodeProcessOptions = {},
  ) {
    const limited = files === undefined ? [] : ["sh", "-c", `ulimit -n ${files} && exec "$0" "$@"`];
    const [name, ...args] = [...limited, ...program, "--log-format", "json", ...flags];
    this.#program = Program.start(name!, args, {
      clearEnv: true,
      env: { ...environmentWithout(SETTINGS), ...env },
      onLine: async (line) => {
        await this.#reading;
        onLine(parse(line));
      },
      detached: true,
    });
    this.pid = this.#program.pid;
    this.died = this.#program.status;
    this.exited = this.#program.drained;
  }

  /** Reads the log no more, until the function that it gives is called. */
  stopReading(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#reading = promise;
    return resolve;
  }

  /** Sends a signal; nothing happens if the process has ended. */
  kill(signal: Deno.Signal): void {
    this.#program.kill(signal);
  }
}

function byDeno(flags: readonly string[], preload: string | undefined): string[] {
  const preloading = preload ? ["--preload", preload] : [];
  return [Deno.execPath(), "run", ...permissions(flags, preload), "--quiet", ...preloading, MAIN];
}

/** No more than needed: see `permissions` in deno.json. */
function permissions(flags: readonly string[], preload: string | undefined): string[] {
  const all = preload !== undefined || flags.includes("--") || flags.includes("--watchdog");
  return all ? ["-A"] : ["--permission-set=node", "--no-prompt"];
}

function parse(line: string): LogLine | string {
  try {
    return JSON.parse(line);
  } catch {
    return line;
  }
}

import { adopt } from "./children.ts";
import { lines } from "./lines.ts";

/** One line of a node's log. */
export interface LogLine {
  readonly time: string;
  readonly level: string;
  readonly id: string;
  readonly event: string;
  readonly [field: string]: string | number | boolean;
}

const MAIN = new URL("../main.ts", import.meta.url).pathname;

/** What else a node may run with. */
export interface NodeProcessOptions {
  readonly env?: Record<string, string>;
  readonly preload?: string;
}

/** A leader-node process whose log is read. */
export class NodeProcess {
  readonly pid: number;
  /** Ends when the process has ended. */
  readonly died: Promise<Deno.CommandStatus>;
  /** Ends when the process, and all that shared its log, have ended. */
  readonly exited: Promise<Deno.CommandStatus>;
  readonly #process: Deno.ChildProcess;
  /** Resolved while the log is read. */
  #reading = Promise.resolve();

  /**
   * Starts a node with these flags; `onLine` gets each line of its log, and those that are no JSON as text.
   * The `preload` module runs in it first.
   */
  constructor(
    flags: readonly string[],
    onLine: (line: LogLine | string) => void,
    { env = {}, preload }: NodeProcessOptions = {},
  ) {
    const process = new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        ...permissions(flags, preload),
        "--quiet",
        ...(preload ? ["--preload", preload] : []),
        MAIN,
        "--log-format",
        "json",
        ...flags,
      ],
      clearEnv: true,
      env: { ...ownEnvironment(), ...env },
      stdin: "null",
      stdout: "null",
      stderr: "piped",
      detached: true,
    }).spawn();
    adopt(process);
    const read = (async () => {
      for await (const line of lines(process.stderr)) {
        await this.#reading;
        onLine(parse(line));
      }
    })();
    this.#process = process;
    this.pid = process.pid;
    this.died = process.status;
    this.exited = Promise.all([process.status, read]).then(([status]) => status);
  }

  /** Reads the log no more, until the function that it gives is called. */
  stopReading(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#reading = promise;
    return resolve;
  }

  /** Sends a signal; nothing happens if the process has ended. */
  kill(signal: Deno.Signal): void {
    try {
      this.#process.kill(signal);
    } catch (error) {
      if (!(error instanceof TypeError) && !(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}

/** No more than needed: see `permissions` in deno.json. */
function permissions(flags: readonly string[], preload: string | undefined): string[] {
  const all = preload !== undefined || flags.includes("--") || flags.includes("--watchdog");
  return all ? ["-A"] : ["--permission-set=node", "--no-prompt"];
}

/** The environment without what would set a node's flags. */
function ownEnvironment(): Record<string, string> {
  const variables = Object.entries(Deno.env.toObject());
  return Object.fromEntries(variables.filter(([name]) => !/^(LEADER_NODE|ETCDCTL)_/.test(name)));
}

function parse(line: string): LogLine | string {
  try {
    return JSON.parse(line);
  } catch {
    return line;
  }
}

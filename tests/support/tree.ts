import { fileURLToPath } from "node:url";
import { lines } from "../../dev/lines.ts";
import type { ExitStatus } from "../../supervise/exit_status.ts";
import type { ProcessInfo } from "../../supervise/processes.ts";
import type { Refusal } from "../../supervise/process_tree.ts";
import { shellWord } from "./shell_word.ts";
import { within } from "./until.ts";

const PROGRAM = fileURLToPath(new URL("./tree_host.ts", import.meta.url));

/** How a host treats what it starts. */
export interface TreeHostOptions {
  readonly subreaper: boolean;
  readonly reap: boolean;
  readonly mark: string;
  readonly mayEscape: boolean;
  readonly adopters: readonly number[];
  readonly foreign: number[];
  readonly cgroup?: string;
  /** What its command line begins with, to start it as another user for example. */
  readonly wrapper?: readonly string[];
  /** The runtime, if another user needs a copy. */
  readonly deno?: string;
}

interface HostState {
  readonly exits: Record<number, ExitStatus>;
  readonly reaped: Record<number, ExitStatus>;
  readonly refusals: readonly (readonly Refusal[])[];
  readonly cgroup?: readonly number[];
  readonly longestGap: number;
}

/** A process of its own that starts commands and ends all that comes of them. */
export class TreeHost implements AsyncDisposable {
  readonly pid: number;
  readonly port: number;
  readonly #process: Deno.ChildProcess | undefined;

  private constructor(pid: number, port: number, process?: Deno.ChildProcess) {
    this.pid = pid;
    this.port = port;
    this.#process = process;
  }

  static async start(given: Partial<TreeHostOptions> = {}): Promise<TreeHost> {
    const defaults = { subreaper: true, reap: true, mayEscape: false, mark: crypto.randomUUID() };
    const options = { ...defaults, adopters: [], foreign: [], ...given };
    const deno = options.deno ?? Deno.execPath();
    const [program, ...args] = [...options.wrapper ?? [], deno, "run", "-A", "--no-lock", "--no-check", "--quiet"];
    const process = new Deno.Command(program!, {
      args: [...args, PROGRAM, JSON.stringify(options)],
      stdin: "null",
      stdout: "piped",
      stderr: "inherit",
      detached: true,
    }).spawn();
    for await (const port of lines(process.stdout)) return new TreeHost(process.pid, Number(port), process);
    throw new Error("The host did not start");
  }

  /** A command with all that it does; gives its first process. */
  spawn(...argv: string[]): Promise<number> {
    return this.#ask("spawn", { argv });
  }

  /** A process that is none of the tree's. */
  spawnOther(...argv: string[]): Promise<number> {
    return this.#ask("spawn", { argv, other: true });
  }

  /** A host below this one. */
  async host(options: Partial<TreeHostOptions>): Promise<TreeHost> {
    const { pid, port } = await this.#ask<{ pid: number; port: number }>("host", { options });
    return new TreeHost(pid, port);
  }

  add(pid: number): Promise<void> {
    return this.#ask("add", { pid });
  }

  look(): Promise<ProcessInfo[]> {
    return this.#ask("look");
  }

  signal(signal: Deno.Signal): Promise<Refusal[]> {
    return this.#ask("signal", { signal });
  }

  ended(ms: number): Promise<boolean> {
    return this.#ask("ended", { ms });
  }

  endedWithoutFiles(ms: number): Promise<{ alive: boolean; ended: boolean }> {
    return this.#ask("endedWithoutFiles", { ms });
  }

  endAll(): Promise<void> {
    return this.#ask("kill");
  }

  state(): Promise<HostState> {
    return this.#ask("state");
  }

  /** How many milliseconds each of so many looks takes. */
  timed(times: number): Promise<number[]> {
    return this.#ask("timed", { times });
  }

  kill(signal: Deno.Signal): void {
    Deno.kill(this.pid, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.kill("SIGCONT");
      await this.#ask("close").catch(() => {});
      this.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await this.#process?.status;
  }

  async #ask<T>(order: string, body: Record<string, unknown> = {}): Promise<T> {
    const answer = fetch(`http://127.0.0.1:${this.port}/${order}`, { method: "POST", body: JSON.stringify(body) });
    return await within(10_000, `an answer to ${order}`, answer.then((response) => response.json()));
  }
}

/** A folder in which each process of a test leaves its id under its name. */
export class Pids implements AsyncDisposable {
  readonly folder: string;
  /** The folder in a shell text. */
  readonly word: string;

  private constructor(folder: string) {
    this.folder = folder;
    this.word = shellWord(folder);
  }

  static async create(): Promise<Pids> {
    const folder = await Deno.makeTempDir();
    await Deno.chmod(folder, 0o777);
    const place = `${shellWord(folder)}/$1`;
    const script = `echo $$ > ${place}.new; mv ${place}.new ${place}; exec sleep 30`;
    await Deno.writeTextFile(`${folder}/sleeper.sh`, script);
    return new Pids(folder);
  }

  /** A command line without quotes that leaves the id of its process under this name, and sleeps for a while. */
  sleeper(name: string): string {
    return `sh ${this.word}/sleeper.sh ${name}`;
  }

  /** The id that was left under this name, now or later. */
  async of(name: string): Promise<number> {
    let late = false;
    const read = async () => {
      while (!late) {
        const text = await Deno.readTextFile(`${this.folder}/${name}`).catch(() => "");
        if (text) return Number(text);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      return 0;
    };
    return await within(10_000, `the process ${name}`, read()).finally(() => late = true);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.folder, { recursive: true });
  }
}

/** Whether a process lives; a zombie does not. */
export function lives(pid: number): boolean {
  try {
    return !/\) [ZX] /.test(Deno.readTextFileSync(`/proc/${pid}/stat`));
  } catch {
    return false;
  }
}

/** The zombies that wait to be reaped by a process. */
export function zombiesOf(parent: number): number[] {
  return [...Deno.readDirSync("/proc")].map(({ name }) => Number(name)).filter((pid) => {
    try {
      return new RegExp(`\\) Z ${parent} `).test(Deno.readTextFileSync(`/proc/${pid}/stat`));
    } catch {
      return false;
    }
  });
}

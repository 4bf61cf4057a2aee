import { adopt } from "./children.ts";
import { lines } from "./lines.ts";

/** Where and with what a program runs. */
export interface ProgramOptions {
  readonly cwd?: string;
  readonly env?: Record<string, string>;
  readonly clearEnv?: boolean;
}

/** How a program is started. */
export interface StartOptions extends ProgramOptions {
  readonly stdin?: "piped" | "null";
  /** Called for each line on stderr, which is not part of the output then; stdout is ignored. */
  readonly onLine?: (line: string) => void;
  /** Whether to ignore all that it prints. */
  readonly silent?: boolean;
  /** Whether it gets a process group of its own, which Ctrl+C does not reach; it is killed when we are interrupted. */
  readonly detached?: boolean;
}

/** What a program printed, and its exit code. */
export interface Result {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A child process with all that it prints. */
export class Program implements AsyncDisposable {
  readonly name: string;
  readonly pid: number;
  /** Resolves when the process has ended. */
  readonly status: Promise<Deno.CommandStatus>;
  /** Resolves when the process has ended and all that it printed was read; children may still hold its output open. */
  readonly drained: Promise<Deno.CommandStatus>;
  readonly #process: Deno.ChildProcess;
  #output = "";
  #ended = false;

  protected constructor(name: string, args: readonly string[], options: StartOptions) {
    const { stdin = "null", onLine, silent = false, detached = false, ...where } = options;
    const command = new Deno.Command(name, {
      args: [...args],
      ...where,
      stdin,
      stdout: silent || onLine ? "null" : "piped",
      stderr: silent ? "null" : "piped",
      detached,
    });
    const process = command.spawn();
    if (detached) adopt(process);
    this.name = name;
    this.pid = process.pid;
    this.#process = process;
    this.status = process.status.finally(() => this.#ended = true);
    const reading = silent
      ? []
      : onLine
      ? [forEachLine(process.stderr, onLine)]
      : [this.#collect(process.stdout), this.#collect(process.stderr)];
    this.drained = Promise.all([this.status, ...reading]).then(([status]) => status);
  }

  /** Starts a program. */
  static start(name: string, args: readonly string[] = [], options: StartOptions = {}): Program {
    return new Program(name, args, options);
  }

  /** Runs a program to its end. */
  static async run(
    name: string,
    args: readonly string[] = [],
    { input, ...options }: ProgramOptions & { readonly input?: string } = {},
  ): Promise<Result> {
    const stdin = input === undefined ? "null" : "piped";
    const command = new Deno.Command(name, { args: [...args], ...options, stdin, stdout: "piped", stderr: "piped" });
    const process = command.spawn();
    const output = process.output();
    if (input !== undefined) await write(process.stdin, input);
    const { code, stdout, stderr } = await output;
    const decoder = new TextDecoder();
    return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
  }

  /** What it has printed so far. */
  get output(): string {
    return this.#output;
  }

  /** Whether it has ended. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Writes to its stdin, and closes it. */
  write(text: string): Promise<void> {
    return write(this.#process.stdin, text);
  }

  /** Sends a signal; nothing happens if the process has ended. */
  kill(signal: Deno.Signal): void {
    try {
      this.#process.kill(signal);
    } catch (error) {
      if (!(error instanceof TypeError) && !(error instanceof Deno.errors.NotFound)) throw error;
    }
  }

  /** Ends it and waits until its output was read. */
  async stop(signal: Deno.Signal = "SIGTERM"): Promise<Deno.CommandStatus> {
    this.kill(signal);
    return await this.drained;
  }

  /** Kills it. Children that hold its output open are not waited for. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.kill("SIGKILL");
    await this.status;
  }

  async #collect(stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<void> {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) this.#output += text;
  }
}

async function forEachLine(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  onLine: (line: string) => void,
): Promise<void> {
  for await (const line of lines(stream)) onLine(line);
}

async function write(stream: WritableStream<Uint8Array<ArrayBuffer>>, text: string): Promise<void> {
  const writer = stream.getWriter();
  await writer.write(new TextEncoder().encode(text));
  await writer.close();
}

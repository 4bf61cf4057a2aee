import { within } from "./until.ts";

export { freePort } from "../../dev/local_etcd.ts";

/** Whether a program is on the `PATH`. */
export function hasProgram(name: string): boolean {
  return (Deno.env.get("PATH") ?? "").split(":").some((folder) => {
    try {
      return Deno.statSync(`${folder}/${name}`).isFile;
    } catch {
      return false;
    }
  });
}

interface RunOptions {
  readonly cwd?: string;
  readonly env?: Record<string, string>;
  readonly clearEnv?: boolean;
  readonly input?: string;
}

/** A program that serves tests as a neighbour, with all that it prints. */
export class Program implements AsyncDisposable {
  readonly #name: string;
  readonly #process: Deno.ChildProcess;
  readonly #printed: Promise<void>[];
  #output = "";
  #ended = false;

  private constructor(name: string, process: Deno.ChildProcess) {
    this.#name = name;
    this.#process = process;
    this.#printed = [process.stdout, process.stderr].map(async (stream) => {
      for await (const text of stream.pipeThrough(new TextDecoderStream())) this.#output += text;
    });
    process.status.then(() => this.#ended = true);
  }

  /** Runs a program to its end. */
  static async run(
    name: string,
    args: readonly string[],
    { input = "", ...options }: RunOptions = {},
  ): Promise<{ code: number; stdout: string; stderr: string }> {
    const command = new Deno.Command(name, {
      args: [...args],
      ...options,
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    });
    const process = command.spawn();
    const writer = process.stdin.getWriter();
    await writer.write(new TextEncoder().encode(input));
    await writer.close();
    const { code, stdout, stderr } = await process.output();
    const decoder = new TextDecoder();
    return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
  }

  /** Starts a program that goes on. */
  static start(
    name: string,
    args: readonly string[],
    options: Omit<RunOptions, "input"> & { stdin?: "piped" | "null" } = {},
  ): Program {
    const streams = { stdin: options.stdin ?? "null", stdout: "piped", stderr: "piped" } as const;
    return new Program(name, new Deno.Command(name, { args: [...args], ...options, ...streams }).spawn());
  }

  /** Writes to its stdin, and closes it. */
  async write(text: string): Promise<void> {
    const writer = this.#process.stdin.getWriter();
    await writer.write(new TextEncoder().encode(text));
    await writer.close();
  }

  kill(signal: Deno.Signal): void {
    this.#process.kill(signal);
  }

  get output(): string {
    return this.#output;
  }

  get pid(): number {
    return this.#process.pid;
  }

  /** How it ended, once it has. */
  get status(): Promise<Deno.CommandStatus> {
    return this.#process.status;
  }

  /** Asks again and again until the answer is yes. */
  async until(what: string, yes: () => Promise<boolean>, ms = 20_000): Promise<void> {
    let late = false;
    const ask = async () => {
      while (!late && !await yes()) {
        if (this.#ended) throw new Error(`${this.#name} has ended: ${this.#output}`);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    };
    try {
      await within(ms, what, ask());
    } catch (error) {
      throw new Error(`${(error as Error).message}\n${this.#output.slice(-2000)}`);
    } finally {
      late = true;
    }
  }

  async stop(signal: Deno.Signal = "SIGTERM"): Promise<void> {
    if (!this.#ended) this.#process.kill(signal);
    await this.#process.status;
    await Promise.all(this.#printed);
  }

  /** Whoever holds its output open after that, such as a child that was left, is not waited for. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#ended) this.#process.kill("SIGKILL");
    await this.#process.status;
  }
}

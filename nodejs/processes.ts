import { type ChildProcess as NodeChild, spawn } from "node:child_process";
import { accessSync, constants, existsSync } from "node:fs";
import { constants as system } from "node:os";
import { Writable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { files } from "./files.ts";

type Stdio = "piped" | "null" | "inherit";

const STDIO = { piped: "pipe", null: "ignore", inherit: "inherit" } as const;
/** Where programs are looked for without a `PATH`. */
const DEFAULT_PATH = "/bin:/usr/bin";

interface CommandOptions {
  readonly args?: readonly string[];
  /** Added to this process's environment. */
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: Stdio;
  readonly stdout?: Stdio;
  readonly stderr?: Stdio;
  readonly detached?: boolean;
}

interface CommandStatus {
  readonly success: boolean;
  readonly code: number;
  readonly signal: NodeJS.Signals | null;
}

/** A program to start, like `Deno.Command`. */
export class Command {
  readonly #program: string;
  readonly #options: CommandOptions;

  constructor(program: string, options: CommandOptions = {}) {
    this.#program = program;
    this.#options = options;
  }

  spawn(): ChildProcess {
    return new ChildProcess(this.#start());
  }

  async output(): Promise<CommandStatus & { readonly stdout: Uint8Array }> {
    const child = this.#start();
    const [status, stdout] = await Promise.all([statusOf(child), child.stdout ? buffer(child.stdout) : NOTHING]);
    return { ...status, stdout };
  }

  #start(): NodeChild {
    const { args = [], env = {}, detached = false, stdin, stdout, stderr } = this.#options;
    const child = spawn(this.#program, args, {
      env: { ...process.env, ...env },
      stdio: [STDIO[stdin ?? "null"], STDIO[stdout ?? "piped"], STDIO[stderr ?? "piped"]],
      detached,
    });
    // The event comes in a later turn; the reason is found out here.
    child.on("error", () => {});
    if (child.pid === undefined) throw whyNotStarted(this.#program);
    return child;
  }
}

const NOTHING = new Uint8Array();

/** A program that was started, like `Deno.ChildProcess`. */
class ChildProcess {
  readonly pid: number;
  readonly status: Promise<CommandStatus>;
  readonly #child: NodeChild;

  constructor(child: NodeChild) {
    this.#child = child;
    this.pid = child.pid!;
    this.status = statusOf(child);
  }

  get stdin(): ReturnType<typeof Writable.toWeb> {
    return Writable.toWeb(this.#child.stdin!);
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }
}

/** How it ends. Node.js tells of an end by a real-time signal as of exit code 0. */
function statusOf(child: NodeChild): Promise<CommandStatus> {
  return new Promise((resolve) => {
    child.on("exit", (code, signal) => {
      const shown = code ?? 128 + system.signals[signal!];
      resolve({ success: shown === 0, code: shown, signal });
    });
  });
}

/** Why a program could not be started: Node.js tells it only in a later turn of the event loop. */
function whyNotStarted(program: string): unknown {
  try {
    const path = program.includes("/") ? program : onPath(program);
    accessSync(path, constants.X_OK);
    // The system says the same of a script without its interpreter as of no script.
    const interpreter = /^#![ \t]*([^\s\0]+)/.exec(startOf(path))?.[1];
    if (interpreter !== undefined) accessSync(interpreter);
  } catch (error) {
    return error;
  }
  return Object.assign(new Error("there is no room for another process"), { code: "EAGAIN" });
}

function onPath(program: string): string {
  const places = (process.env.PATH ?? DEFAULT_PATH).split(":").map((folder) => `${folder || "."}/${program}`);
  return places.find((path) => existsSync(path)) ?? places[0]!;
}

function startOf(path: string): string {
  using file = files.openSync(path);
  const bytes = new Uint8Array(256);
  return new TextDecoder().decode(bytes.subarray(0, file.readSync(bytes) ?? 0));
}

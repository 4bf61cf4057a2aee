import { fileURLToPath } from "node:url";
import type { Log } from "./log.ts";
import type { WatchdogMessage } from "./watchdog_messages.ts";

const FIRST_RESTART_MS = 100;
const MAX_RESTART_MS = 5000;
/** How long it may take to end in good order. */
const END_MS = 1000;

/**
 * The node's end of its watchdog: a companion process that holds the other end of a pipe, which the kernel
 * closes when the node dies of anything. If the watchdog itself dies, another one takes its place.
 */
export class Watchdog {
  readonly #log: Log;
  /** The last message of each type, in order: all that a new one must know. */
  readonly #last = new Map<WatchdogMessage["type"], WatchdogMessage>();
  #process: Deno.ChildProcess | undefined;
  #writer: WritableStreamDefaultWriter<Uint8Array> | undefined;
  #closed = false;
  #pause = FIRST_RESTART_MS;
  #restart: ReturnType<typeof setTimeout> | undefined;

  constructor(node: WatchdogMessage & { type: "node" }, log: Log) {
    this.#log = log;
    this.#last.set("node", node);
    this.#start();
  }

  /** Its process, while there is one. */
  get pid(): number | undefined {
    return this.#process?.pid;
  }

  send(message: WatchdogMessage): void {
    this.#last.set(message.type, message);
    this.#send(message);
  }

  /** Lets it go in good order. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#restart);
    const process = this.#process;
    if (!process) return;
    this.#send({ type: "done" });
    this.#writer!.close().catch(() => {});
    const late = setTimeout(() => process.kill("SIGKILL"), END_MS);
    await process.status;
    clearTimeout(late);
  }

  #start(): void {
    try {
      const process = new Deno.Command(Deno.execPath(), {
        args: [...programArgs(), "watchdog"],
        stdin: "piped",
        stdout: "null",
        stderr: "inherit",
        // Ctrl+C is for the node.
        detached: true,
      }).spawn();
      this.#process = process;
      this.#writer = process.stdin.getWriter();
      this.#writer.closed.catch(() => {});
      for (const message of this.#last.values()) this.#send(message);
      process.status.then(({ code, signal }) => this.#ended(signal ?? `exit code ${code}`));
    } catch (error) {
      this.#ended(error instanceof Error ? error.message : String(error));
    }
  }

  #send(message: WatchdogMessage): void {
    // A watchdog that is gone is told nothing; its successor will be.
    this.#writer?.write(new TextEncoder().encode(JSON.stringify(message) + "\n")).catch(() => {});
  }

  #ended(reason: string): void {
    this.#process = this.#writer = undefined;
    if (this.#closed) return;
    this.#log("warn", "watchdog-ended", { reason, message: "starting another one" });
    this.#restart = setTimeout(() => this.#start(), this.#pause);
    this.#pause = Math.min(MAX_RESTART_MS, 2 * this.#pause);
  }
}

/** What makes this program out of the running executable. */
function programArgs(): string[] {
  if (Deno.build.standalone) return [];
  const main = fileURLToPath(Deno.mainModule);
  // A bundled program needs no configuration, and must not find somebody else's.
  return ["run", "-A", "--quiet", ...(main.endsWith(".js") ? ["--no-config", "--cached-only"] : []), main];
}

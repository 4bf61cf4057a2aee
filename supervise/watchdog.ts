import { inbox, Outbox } from "./channel.ts";
import type { Children } from "./children.ts";
import type { ExitStatus } from "./exit_status.ts";
import type { Log } from "./log.ts";
import { makePipes } from "./pipes.ts";
import { CommandError } from "./program.ts";
import { EXECUTABLE, programArgs, programFiles } from "./this_program.ts";
import type { StartMessage, WatchdogAnswer, WatchdogMessage } from "./watchdog_messages.ts";

const FIRST_RESTART_MS = 100;
const MAX_RESTART_MS = 5000;
/** How long it may take to end in good order. */
const END_MS = 1000;
/** One that has lived for so long has not failed at its start. */
const SETTLED_MS = 5000;
/** How often it is checked that another watchdog could be started. */
const CHECK_MS = 10_000;
/** The same trouble is logged again after so long. */
const LOG_AGAIN_MS = 60_000;

/** One watchdog process. */
interface Running {
  readonly pid: number;
  readonly outbox: Outbox<WatchdogMessage>;
  readonly ended: Promise<ExitStatus>;
  kill(): void;
}

/**
 * The node's end of its watchdog: a companion process that holds the other end of a pipe, which the kernel
 * closes when the node dies of anything. If the watchdog itself dies, another one takes its place.
 */
export class Watchdog {
  readonly #log: Log;
  readonly #children: Children | undefined;
  /** The last message of each type, in order: all that a new one must know. */
  readonly #last = new Map<WatchdogMessage["type"], WatchdogMessage>();
  #running: Running | undefined;
  /** The one that has been sent all that it must know. */
  #informed: Running | undefined;
  #closed = false;
  #pause = FIRST_RESTART_MS;
  #restart: ReturnType<typeof setTimeout> | undefined;
  readonly #checks: ReturnType<typeof setInterval>;
  #error: string | undefined;
  #logged: { readonly reason: string; readonly at: number } | undefined;
  #starting: PromiseWithResolvers<WatchdogAnswer | undefined> | undefined;
  /** How the commands ended that the watchdog has told of since the last start. */
  readonly #ends = new Map<number, PromiseWithResolvers<ExitStatus>>();
  /** A watchdog has ended: what was below it has come to the node. */
  onEnd = () => {};

  /** With `children` that adopt orphans, the watchdog can start the command. */
  constructor(node: WatchdogMessage & { type: "node" }, log: Log, children?: Children) {
    this.#log = log;
    this.#children = children;
    this.#last.set("node", node);
    this.#start();
    this.#checks = setInterval(() => this.#check(), CHECK_MS);
  }

  /** Its process, while there is one. */
  get pid(): number | undefined {
    return this.#running?.pid;
  }

  /** The same, once it has been sent all that it must know to act. */
  get informedPid(): number | undefined {
    return this.#informed === this.#running ? this.pid : undefined;
  }

  /** Why there is none, or could be no other one. */
  get error(): string | undefined {
    return this.#error;
  }

  send(message: WatchdogMessage): void {
    this.#last.set(message.type, message);
    // Later, others may have these process ids.
    if (message.type === "command" && message.pid === undefined) this.#last.delete("members");
    this.#running?.outbox.send(message);
  }

  /**
   * Has the command started by the watchdog; gives its first process, or nothing if that was not possible within
   * `withinMs`: then it will not be started any more, but something of it may have been.
   *
   * @throws {CommandError} If the command cannot be run.
   */
  async start(message: Omit<StartMessage, "type" | "sentAt">): Promise<number | undefined> {
    const running = this.#running;
    if (!running || !this.#children?.adopts) return undefined;
    this.#ends.clear();
    const starting = this.#starting = Promise.withResolvers<WatchdogAnswer | undefined>();
    const late = setTimeout(() => starting.resolve({ type: "late" }), message.withinMs);
    running.outbox.send({ ...message, type: "start", sentAt: Date.now() });
    const answer = await starting.promise;
    clearTimeout(late);
    this.#starting = undefined;
    if (answer?.type === "started") return answer.pid;
    if (answer?.type === "failed") throw new CommandError(answer.message, answer.exitCode, answer.temporary);
    // Whatever keeps it from answering, it must not start the command later.
    running.kill();
    await running.ended;
    return undefined;
  }

  /** How the first process of a command ends, if the watchdog that started it tells. */
  commandEnd(pid: number): Promise<ExitStatus> {
    return this.#endOf(pid).promise;
  }

  /** Lets it go in good order. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#restart);
    clearInterval(this.#checks);
    const running = this.#running;
    if (!running) return;
    running.outbox.send({ type: "done" });
    const late = setTimeout(() => running.kill(), END_MS);
    await running.ended;
    clearTimeout(late);
  }

  #start(): void {
    try {
      const startedAt = performance.now();
      const children = this.#children;
      const running = this.#running = children?.adopts ? startWithPipes(children, this.#receive) : startPlain(children);
      for (const message of this.#last.values()) running.outbox.send(message);
      running.outbox.flushed().then(() => this.#informed = running);
      const settled = setTimeout(() => this.#settled(), SETTLED_MS);
      running.ended.then(({ code, signal }) => {
        clearTimeout(settled);
        running.outbox.close();
        this.#ended(signal ?? `exit code ${code}`, performance.now() - startedAt < SETTLED_MS);
      });
    } catch (error) {
      this.#ended(error instanceof Error ? error.message : String(error), true);
    }
  }

  readonly #receive = (answer: WatchdogAnswer) => {
    switch (answer.type) {
      case "ready":
        return this.#settled();
      case "ended":
        return this.#endOf(answer.pid).resolve({ code: answer.code, signal: answer.signal });
      default:
        this.#starting?.resolve(answer);
    }
  };

  #endOf(pid: number): PromiseWithResolvers<ExitStatus> {
    let end = this.#ends.get(pid);
    if (!end) this.#ends.set(pid, end = Promise.withResolvers());
    return end;
  }

  /** It has begun its work. */
  #settled(): void {
    this.#pause = FIRST_RESTART_MS;
    this.#error = undefined;
    this.#check();
  }

  #ended(reason: string, failed: boolean): void {
    this.#running = undefined;
    this.#starting?.resolve(undefined);
    if (this.#closed) return;
    this.onEnd();
    if (failed) this.#error = reason;
    this.#logOnce("watchdog-ended", reason, "starting another one");
    this.#restart = setTimeout(() => this.#start(), this.#pause);
    this.#pause = Math.min(MAX_RESTART_MS, 2 * this.#pause);
  }

  /** Whether another watchdog could be started: somebody may have removed what it needs. */
  #check(): void {
    if (!this.#running) return;
    const missing = programFiles().find((path) => !isFile(path));
    this.#error = missing && `${missing} is gone`;
    if (missing) this.#logOnce("watchdog-unavailable", missing, "this file is gone: another watchdog cannot start");
  }

  #logOnce(event: "watchdog-ended" | "watchdog-unavailable", reason: string, message: string): void {
    const now = performance.now();
    if (this.#logged?.reason === reason && this.#error !== undefined && now - this.#logged.at < LOG_AGAIN_MS) return;
    this.#logged = { reason, at: now };
    if (event === "watchdog-ended") this.#log("warn", "watchdog-ended", { reason, message });
    else this.#log("warn", "watchdog-unavailable", { reason, message });
  }
}

/** A watchdog that can start the command: its standard streams are the command's, messages have pipes of their own. */
function startWithPipes(children: Children, receive: (answer: WatchdogAnswer) => void): Running {
  const pipes = makePipes();
  let process: Deno.ChildProcess;
  try {
    const { childRead, childWrite } = pipes;
    process = new Deno.Command(EXECUTABLE, {
      args: [...programArgs(), "watchdog", String(childRead), String(childWrite)],
      stdin: "inherit",
      stdout: "inherit",
      stderr: "inherit",
      // Ctrl+C is for the node.
      detached: true,
    }).spawn();
  } catch (error) {
    pipes.write.close();
    pipes.read.close();
    throw error;
  } finally {
    pipes.closeChildEnds();
  }
  const ended = children.own(process);
  (async () => {
    for await (const answer of inbox<WatchdogAnswer>(pipes.read)) receive(answer);
  })().catch(() => {}).finally(() => pipes.read.close());
  return { pid: process.pid, outbox: new Outbox(pipes.write), ended, kill: () => kill(process) };
}

/** A watchdog that only guards. */
function startPlain(children?: Children): Running {
  const process = new Deno.Command(EXECUTABLE, {
    args: [...programArgs(), "watchdog"],
    stdin: "piped",
    stdout: "null",
    stderr: "inherit",
    detached: true,
  }).spawn();
  const writer = process.stdin.getWriter();
  writer.closed.catch(() => {});
  const sink = {
    write: (bytes: Uint8Array) => writer.write(bytes),
    close: () => void writer.close().catch(() => {}),
  };
  return {
    pid: process.pid,
    outbox: new Outbox(sink),
    ended: children?.own(process) ?? process.status,
    kill: () => kill(process),
  };
}

function kill(process: Deno.ChildProcess): void {
  try {
    process.kill("SIGKILL");
  } catch {
    // It has ended.
  }
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

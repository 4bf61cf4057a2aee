import { assert, assertEquals } from "@std/assert";
import { fileURLToPath } from "node:url";
import { lines } from "../dev/lines.ts";
import { LogWriter } from "../cli/log_writer.ts";
import { within } from "./support/until.ts";
import { shellWord } from "./support/shell_word.ts";
import { unixTest as test } from "./support/systems.ts";

const PROGRAM = fileURLToPath(new URL("./support/logging_program.ts", import.meta.url));
const LONG = "x".repeat(1000);

interface Status {
  readonly stuckForMs: number;
  readonly dropped: number;
}

/** A program of its own that logs, with its stderr led where the shell says, such as `2>/dev/full`. */
class LoggingProgram implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly #orders: WritableStreamDefaultWriter<Uint8Array>;
  readonly #answers: AsyncIterator<string>;

  constructor(redirect: string) {
    const command = `exec "$0" run -A --quiet "$1" ${redirect}`;
    this.#process = new Deno.Command("sh", {
      args: ["-c", command, Deno.execPath(), PROGRAM],
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    this.#orders = this.#process.stdin.getWriter();
    this.#answers = lines(this.#process.stdout)[Symbol.asyncIterator]();
  }

  async ask(order: string): Promise<string> {
    await this.#orders.write(new TextEncoder().encode(`${order}\n`));
    const { value } = await within(5000, `an answer to ${order}`, this.#answers.next());
    return value;
  }

  async log(count: number, text = LONG): Promise<Status> {
    return JSON.parse(await this.ask(`log ${count} ${text}`));
  }

  /** Asks for the status, with so many lines before, until it is as wanted. */
  async until(wanted: (status: Status) => boolean, lines = 0): Promise<Status> {
    const from = performance.now();
    for (;;) {
      const status = await this.log(lines, "y");
      if (wanted(status)) return status;
      assert(performance.now() - from < 5000, `the log's status stays ${JSON.stringify(status)}`);
    }
  }

  /** Ends it in good order; gives whether all was written. */
  async end(): Promise<boolean> {
    const { complete } = JSON.parse(await this.ask("end"));
    assertEquals((await within(5000, "the program to end", this.#process.status)).code, 7);
    return complete;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#process.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await this.#process.status;
    await this.#answers.return?.();
    await this.#orders.close().catch(() => {});
  }
}

/** A pipe with a name. It is open for both ends, so that who opens it does not wait for another. */
class Pipe implements AsyncDisposable {
  readonly path: string;
  readonly #folder: string;
  readonly #end: Deno.FsFile;
  #open = true;

  private constructor(folder: string) {
    this.#folder = folder;
    this.path = `${folder}/pipe`;
    this.#end = Deno.openSync(this.path, { read: true, write: true });
  }

  static async create(): Promise<Pipe> {
    const folder = await Deno.makeTempDir();
    assert((await new Deno.Command("mkfifo", { args: [`${folder}/pipe`] }).output()).success);
    return new Pipe(folder);
  }

  async read(): Promise<string> {
    const chunk = new Uint8Array(65536);
    const length = await this.#end.read(chunk);
    return new TextDecoder().decode(chunk.subarray(0, length ?? 0));
  }

  close(): void {
    if (this.#open) this.#end.close();
    this.#open = false;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    await Deno.remove(this.#folder, { recursive: true });
  }
}

/** The lines of a log, as written. */
function parse(text: string): Record<string, unknown>[] {
  return text.split("\n").filter(Boolean).map((line) => JSON.parse(line));
}

/** Numbers from 0 on, but for gaps that are told of. */
function assertNoLoss(log: Record<string, unknown>[], all: number): number {
  let next = 0;
  let dropped = 0;
  for (const { event, number, lines } of log) {
    if (event === "log-dropped") {
      next += Number(lines);
      dropped += Number(lines);
    } else assertEquals(number, next++);
  }
  assertEquals(next, all);
  return dropped;
}

test("a log that is read is complete and in order, at the end too", async () => {
  const file = await Deno.makeTempFile();
  await using program = new LoggingProgram(`2>${shellWord(file)}`);
  await program.log(200);
  // More at once than the buffer takes would be dropped.
  await program.until(({ stuckForMs }) => stuckForMs === 0);
  await program.log(150);
  assertEquals(await program.end(), true);
  assertEquals(assertNoLoss(parse(await Deno.readTextFile(file)), 350), 0);
  await Deno.remove(file);
});

test("a pipe that nobody reads: the program goes on, says so, and tells what was dropped when it is read", async () => {
  await using pipe = await Pipe.create();
  await using program = new LoggingProgram(`2>${shellWord(pipe.path)}`);
  // More than a pipe and the buffer can take.
  for (let i = 0; i < 10; i++) await program.log(100);
  const { dropped } = await program.until(({ stuckForMs }) => stuckForMs > 100);
  assert(dropped > 100);

  let text = "";
  const read = async () => text += await pipe.read();
  while (!text.includes("log-dropped")) await within(5000, "more of the log", read());
  await program.until(({ stuckForMs }) => stuckForMs === 0);
  await program.log(5);
  assertEquals(await program.end(), true);
  while (!text.includes('"number":1004')) await within(5000, "the last line", read());
  assertEquals(assertNoLoss(parse(text), 1005), dropped);
});

test("the end does not wait for a reader that is stuck", async () => {
  await using pipe = await Pipe.create();
  await using program = new LoggingProgram(`2>${shellWord(pipe.path)}`);
  await program.log(100);
  assertEquals(await program.end(), false);
});

test("a terminal that was stopped by Ctrl+S holds nothing up", async () => {
  const folder = await Deno.makeTempDir();
  const tty = `${folder}/tty`;
  // The terminal's other end; XOFF is what Ctrl+S sends.
  const terminal = new Deno.Command("script", {
    args: ["-qc", `tty > ${shellWord(tty)}; exec sleep 100`, "/dev/null"],
    stdin: "piped",
    stdout: "null",
    stderr: "null",
  }).spawn();
  const keys = terminal.stdin.getWriter();
  const device = async () => {
    for (;;) {
      const name = (await Deno.readTextFile(tty).catch(() => "")).trim();
      if (name) return name;
    }
  };
  const name = await within(5000, "the terminal", device());
  await keys.write(new Uint8Array([19]));
  await using program = new LoggingProgram(`2>${name}`);
  // The terminal may take the key a little later.
  await program.until(({ stuckForMs }) => stuckForMs > 100, 1);
  await keys.write(new Uint8Array([17]));
  await program.until(({ stuckForMs }) => stuckForMs === 0);
  await keys.write(new Uint8Array([19]));
  await program.until(({ stuckForMs }) => stuckForMs > 100, 1);
  assertEquals(await program.end(), false);
  terminal.kill("SIGKILL");
  await terminal.status;
  await keys.close().catch(() => {});
  await Deno.remove(folder, { recursive: true });
});

test("a full disk: lines wait, then are dropped, and the end comes at once", async () => {
  await using program = new LoggingProgram("2>/dev/full");
  await assertNothingTaken(program);
});

test("a pipe whose reader has gone: lines wait, then are dropped, and the end comes at once", async () => {
  await using pipe = await Pipe.create();
  await using program = new LoggingProgram(`2>${shellWord(pipe.path)}`);
  await program.log(0);
  pipe.close();
  await assertNothingTaken(program);
});

async function assertNothingTaken(program: LoggingProgram): Promise<void> {
  for (let i = 0; i < 10; i++) await program.log(100);
  const { dropped } = await program.until(({ stuckForMs }) => stuckForMs > 100);
  assert(dropped > 100);
  assertEquals(await program.end(), false);
}

/** A sink that does what the test says. */
class TestSink {
  readonly written: string[] = [];
  readonly errors: Error[] = [];
  /** How many bytes the next write takes. */
  take = Infinity;

  write(bytes: Uint8Array): Promise<number> {
    const error = this.errors.shift();
    if (error) return Promise.reject(error);
    const taken = Math.min(this.take, bytes.length);
    this.written.push(new TextDecoder().decode(bytes.subarray(0, taken)));
    return Promise.resolve(taken);
  }
}

test("a line is written at once, in one piece, and writes take whole lines", async () => {
  const sink = new TestSink();
  const writer = new LogWriter(sink, String);
  writer.write("first");
  assertEquals(sink.written, ["first\n"]);
  for (let i = 0; i < 10; i++) writer.write(`${i}${LONG}`);
  assertEquals(await writer.end(), true);
  assert(sink.written.every((text) => text.endsWith("\n") && text.length <= 4096));
  assertEquals(sink.written.length, 4);
});

test("what a reader takes in parts, or later, arrives whole", async () => {
  const sink = new TestSink();
  sink.take = 3;
  sink.errors.push(new Deno.errors.WouldBlock(), new Deno.errors.WouldBlock());
  const writer = new LogWriter(sink, String);
  writer.write("one line");
  writer.write("another");
  assertEquals(await writer.end(), true);
  assertEquals(sink.written.join(""), "one line\nanother\n");
  assertEquals(writer.status, { stuckForMs: 0, dropped: 0 });
});

test("a disk that has room again gets the lines that waited; at the end it is tried once more", async () => {
  const sink = new TestSink();
  sink.errors.push(new Error("No space left on device"));
  const writer = new LogWriter(sink, String);
  writer.write("one");
  writer.write("two");
  assertEquals(sink.written, []);
  assertEquals(await writer.end(), true);
  assertEquals(sink.written.join(""), "one\ntwo\n");
});

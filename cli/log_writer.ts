/** How many bytes wait for a reader that is slow. */
const LIMIT = 256 * 1024;
/** What one write takes at most: a pipe does not mix so many bytes with those of other writers. */
const BATCH = 4096;
/** How long to wait for room where the reader's end does not let writers wait. */
const NO_ROOM_MS = 10;
/** How long to wait after a write that failed: a disk may have room again. */
const FAILED_MS = 1000;
/** How long the end waits for lines that nobody reads. */
const END_MS = 200;

/** What can be written to without holding up the event loop. */
export interface LogSink {
  write(bytes: Uint8Array): Promise<number>;
}

/** How a log is doing. */
export interface LogStatus {
  /** For how many milliseconds lines have waited without any progress; 0 when none waits. */
  readonly stuckForMs: number;
  /** How many lines were dropped so far. */
  readonly dropped: number;
}

/**
 * Writes lines in their order to a sink that may stop taking any: a pipe that nobody reads, a full disk. Then lines
 * wait, as many as fit; the later ones are dropped and counted, and a line says so when it goes on.
 */
export class LogWriter {
  readonly #sink: LogSink;
  readonly #droppedLine: (count: number) => string;
  readonly #limit: number;
  readonly #encoder = new TextEncoder();
  #waiting: Uint8Array[] = [];
  #bytes = 0;
  readonly #later: (() => string)[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #dropped = 0;
  /** Those of the dropped that no line has told of. */
  #untold = 0;
  /** When the write that is under way began, or the first of those that failed. */
  #since: number | undefined;
  #running: Promise<void> | undefined;
  #ending = false;
  #triedAtEnd = false;
  #wake = () => {};

  constructor(sink: LogSink, droppedLine: (count: number) => string, limit = LIMIT) {
    this.#sink = sink;
    this.#droppedLine = droppedLine;
    this.#limit = limit;
  }

  get status(): LogStatus {
    const stuckForMs = this.#since === undefined ? 0 : performance.now() - this.#since;
    return { stuckForMs, dropped: this.#dropped };
  }

  /** Takes a line that is made in a later turn of the event loop: what is decided in this one is sent first. */
  writeLater(line: () => string): void {
    this.#later.push(line);
    this.#timer ??= setTimeout(() => this.#writeLines());
  }

  #writeLines(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const line of this.#later.splice(0)) this.write(line());
  }

  /** Takes a line, without its end. It never waits and never fails. */
  write(line: string): void {
    const bytes = this.#encoder.encode(`${line}\n`);
    // What comes after a gap waits until the gap is told of.
    if (this.#untold > 0 || this.#bytes + bytes.length > this.#limit) {
      this.#dropped++;
      this.#untold++;
      return;
    }
    this.#enqueue(bytes);
    this.#running ??= this.#run();
  }

  /** Waits until all is written, but only for a moment; says whether it is. */
  async end(withinMs = END_MS): Promise<boolean> {
    this.#writeLines();
    this.#ending = true;
    this.#wake();
    const late = Promise.withResolvers<void>();
    const timer = setTimeout(late.resolve, withinMs);
    await Promise.race([this.#running, late.promise]);
    clearTimeout(timer);
    return this.#bytes === 0;
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#takeBatch();
      if (!await this.#writeAll(batch)) break;
      this.#bytes -= batch.length;
      this.#tellDropped();
    }
    this.#since = undefined;
    this.#running = undefined;
  }

  /** False if the end comes before that could be written. */
  async #writeAll(bytes: Uint8Array): Promise<boolean> {
    this.#since ??= performance.now();
    for (let sent = 0; sent < bytes.length;) {
      try {
        sent += await this.#sink.write(bytes.subarray(sent));
        this.#since = performance.now();
      } catch (error) {
        const full = error instanceof Deno.errors.WouldBlock;
        if (this.#ending && !full) {
          // What failed may have begun long before the end.
          if (this.#triedAtEnd) return false;
          this.#triedAtEnd = true;
          continue;
        }
        await this.#pause(full ? NO_ROOM_MS : FAILED_MS);
      }
    }
    return true;
  }

  #takeBatch(): Uint8Array {
    const batch = [this.#waiting.shift()!];
    let length = batch[0]!.length;
    while (this.#waiting.length > 0 && length + this.#waiting[0]!.length <= BATCH) {
      const line = this.#waiting.shift()!;
      batch.push(line);
      length += line.length;
    }
    if (batch.length === 1) return batch[0]!;
    const joined = new Uint8Array(length);
    let at = 0;
    for (const line of batch) {
      joined.set(line, at);
      at += line.length;
    }
    return joined;
  }

  #tellDropped(): void {
    // A reader that is only slow shall not get one such line after the other.
    if (this.#untold === 0 || this.#bytes > this.#limit / 2) return;
    const bytes = this.#encoder.encode(`${this.#droppedLine(this.#untold)}\n`);
    this.#untold = 0;
    this.#enqueue(bytes);
  }

  #enqueue(bytes: Uint8Array): void {
    this.#waiting.push(bytes);
    this.#bytes += bytes.length;
  }

  async #pause(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ms);
    this.#wake = resolve;
    await promise;
    clearTimeout(timer);
  }
}

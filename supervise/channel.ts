/** What messages are read from. */
export interface ByteSource {
  read(into: Uint8Array): Promise<number | null>;
}

/** What messages are written to. */
export interface ByteSink {
  write(bytes: Uint8Array): Promise<unknown>;
  close(): void;
}

/**
 * Sends messages as lines of JSON to a reader that may stop reading: then only the last message of each type waits,
 * which is all that the reader must know.
 */
export class Outbox<Message extends { readonly type: string }> {
  readonly #sink: ByteSink;
  readonly #waiting = new Map<string, Message>();
  #running: Promise<void> | undefined;
  #closed = false;

  constructor(sink: ByteSink) {
    this.#sink = sink;
  }

  send(message: Message): void {
    // The newest stands last, as it was sent.
    this.#waiting.delete(message.type);
    this.#waiting.set(message.type, message);
    this.#running ??= this.#run().finally(() => this.#running = undefined);
  }

  /** Resolves when all that was sent until now has been handed over. */
  async flushed(): Promise<void> {
    await this.#running;
  }

  /** Sends no more; what waits for the reader is dropped. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#sink.close();
  }

  async #run(): Promise<void> {
    const encoder = new TextEncoder();
    while (this.#waiting.size > 0) {
      const lines = [...this.#waiting.values()].map((message) => `${JSON.stringify(message)}\n`);
      this.#waiting.clear();
      try {
        await writeAll(this.#sink, encoder.encode(lines.join("")));
      } catch {
        // The reader is gone.
      }
    }
  }
}

/** The messages that arrive, until the sender ends. Without the runtime's streams, which take megabytes. */
export async function* inbox<Message>(source: ByteSource): AsyncGenerator<Message> {
  const decoder = new TextDecoder();
  const bytes = new Uint8Array(BUFFER_BYTES);
  let rest = "";
  for (let size = await source.read(bytes); size !== null; size = await source.read(bytes)) {
    const lines = (rest + decoder.decode(bytes.subarray(0, size), { stream: true })).split("\n");
    rest = lines.pop()!;
    for (const line of lines) {
      const message = parse<Message>(line);
      if (message !== undefined) yield message;
    }
  }
}

const BUFFER_BYTES = 16_384;

async function writeAll(sink: ByteSink, bytes: Uint8Array): Promise<void> {
  for (let sent = 0; sent < bytes.length;) {
    const written = await sink.write(bytes.subarray(sent));
    sent += typeof written === "number" ? written : bytes.length;
  }
}

/** A line may be torn, if the sender died while it wrote. */
function parse<Message>(line: string): Message | undefined {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

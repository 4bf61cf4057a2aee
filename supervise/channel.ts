import { TextLineStream } from "@std/streams/text-line-stream";

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

/** The messages that arrive, until the sender ends. */
export async function* inbox<Message>(bytes: ReadableStream<Uint8Array>): AsyncGenerator<Message> {
  const text = bytes.pipeThrough(new TextDecoderStream() as TransformStream<Uint8Array, string>);
  for await (const line of text.pipeThrough(new TextLineStream())) {
    const message = parse<Message>(line);
    if (message !== undefined) yield message;
  }
}

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

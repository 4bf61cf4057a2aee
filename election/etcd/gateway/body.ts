import { MAX_ANSWER_BYTES } from "../limits.ts";

/** The text of a response. */
export async function readText(response: Response): Promise<string> {
  const text = new BoundedText();
  for await (const piece of pieces(response)) text.add(piece);
  return text.take();
}

/** The lines of a response that are not empty, as they come. */
export async function* readLines(response: Response): AsyncGenerator<string> {
  const text = new BoundedText();
  for await (const piece of pieces(response)) {
    const [end, ...next] = piece.split("\n");
    text.add(end!);
    for (const start of next) {
      const line = text.take();
      text.add(start);
      if (line !== "") yield line;
    }
  }
}

async function* pieces({ body }: Response): AsyncGenerator<string> {
  if (!body) return;
  const reader = body.getReader();
  const decoder = new TextDecoder();
  try {
    for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
      yield decoder.decode(piece.value, { stream: true });
    }
    yield decoder.decode();
  } finally {
    // The rest of what is too long is not read.
    await reader.cancel().catch(() => {});
  }
}

/** Text that comes in many pieces: joined once, at its end. */
class BoundedText {
  #pieces: string[] = [];
  #length = 0;

  add(piece: string): void {
    this.#length += piece.length;
    if (this.#length > MAX_ANSWER_BYTES) {
      throw new Error(`14 UNAVAILABLE: the server sent more than ${MAX_ANSWER_BYTES / 1024 / 1024} MB at once`);
    }
    this.#pieces.push(piece);
  }

  take(): string {
    const text = this.#pieces.join("");
    this.#pieces = [];
    this.#length = 0;
    return text;
  }
}

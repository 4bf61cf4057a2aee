import * as fs from "node:fs";
import { isatty } from "node:tty";
import { promisify } from "node:util";

const read = promisify(fs.read);
const write = promisify(fs.write);

/** This process's standard input. */
export const stdin = {
  async read(into: Uint8Array): Promise<number | null> {
    const { bytesRead } = await read(0, into, 0, into.length, null);
    return bytesRead || null;
  },
};

/** A standard stream. Writing to it does not block the event loop, even if nobody reads it. */
class Output {
  readonly #fd: number;
  /** Undefined until the first write. */
  #own: { readonly fd: number | undefined } | undefined;

  constructor(fd: number) {
    this.#fd = fd;
  }

  isTerminal(): boolean {
    return isatty(this.#fd);
  }

  async write(bytes: Uint8Array): Promise<number> {
    const { fd } = this.#own ??= { fd: reopened(this.#fd) };
    // A thread that waits for a reader would keep the process from ending.
    if (fd !== undefined) return fs.writeSync(fd, bytes);
    return (await write(this.#fd, bytes)).bytesWritten;
  }
}

export const stdout = new Output(1);
export const stderr = new Output(2);

/** The same pipe or terminal, opened by this process alone: it does not wait, and those that share it do as before. */
function reopened(fd: number): number | undefined {
  try {
    const info = fs.fstatSync(fd);
    if (process.platform !== "linux" || !(info.isFIFO() || info.isCharacterDevice())) return undefined;
    const { O_WRONLY, O_NONBLOCK, O_NOCTTY } = fs.constants;
    return fs.openSync(`/proc/self/fd/${fd}`, O_WRONLY | O_NONBLOCK | O_NOCTTY);
  } catch {
    return undefined;
  }
}

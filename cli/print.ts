/** Stdout cannot be written. The message is one line for the user. */
export class OutputError extends Error {
  override readonly name = "OutputError";
}

/** How long to wait for room where stdout does not let writers wait. */
const NO_ROOM_MS = 10;

/**
 * Prints a text and the end of its line. False if nobody reads on, as after `| head -1`: that is no error.
 *
 * @throws {OutputError} If it cannot be written, as to a full disk.
 */
export async function print(text: string): Promise<boolean> {
  const bytes = new TextEncoder().encode(`${text}\n`);
  for (let sent = 0; sent < bytes.length;) {
    try {
      sent += await Deno.stdout.write(bytes.subarray(sent));
    } catch (error) {
      if (error instanceof Deno.errors.BrokenPipe) return false;
      if (!(error instanceof Deno.errors.WouldBlock)) {
        throw new OutputError(`cannot write to stdout: ${(error as Error).message}`);
      }
      await new Promise((resolve) => setTimeout(resolve, NO_ROOM_MS));
    }
  }
  return true;
}

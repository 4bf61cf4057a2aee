/** The HTTP port cannot be opened. The message is one line for the user. */
export class ListenError extends Error {
  override readonly name = "ListenError";
}

/** The same for an error of the system. */
export function listenError(hostname: string, port: number, cause: unknown): ListenError {
  return new ListenError(`cannot listen on ${hostname} port ${port}: ${reason(cause)}`, { cause });
}

/** Whether somebody else has the port. */
export function isTaken(error: unknown): boolean {
  return error instanceof ListenError && codeOf(error.cause) === "EADDRINUSE";
}

function reason(error: unknown): string {
  const code = codeOf(error);
  if (code === "EADDRINUSE") return "the port is in use; choose another with --port, or a free one with --port 0";
  if (code === "EADDRNOTAVAIL") return "this machine has no such address; check --hostname";
  return error instanceof Error ? error.message : String(error);
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}

/** A command that cannot be run; the message is one line for the user, the code is what shells give. */
export class CommandError extends Error {
  override readonly name = "CommandError";
  constructor(message: string, readonly exitCode: 126 | 127) {
    super(message);
  }
}

/**
 * Checks that a program is there and may be run, as a shell would find it.
 *
 * @throws {CommandError} If not.
 */
export function checkProgram(program: string): void {
  if (Deno.build.os === "windows") return;
  const places = program.includes("/")
    ? [program]
    : (Deno.env.get("PATH") ?? "").split(":").map((folder) => `${folder || "."}/${program}`);
  const found = places.map(fileInfo).filter((info) => info?.isFile || (info && program.includes("/")));
  if (found.length === 0) throw notFound(program);
  if (!found.some((info) => info!.isFile && (info!.mode ?? 0) & 0o111)) throw notExecutable(program);
}

const SHORTAGES: ReadonlySet<unknown> = new Set(["EAGAIN", "EMFILE", "ENFILE", "ENOMEM"]);

/** Whether a program could not be started for want of files, processes or memory, which may come back. */
export function isShortage(error: unknown): boolean {
  return error instanceof Error && "code" in error && SHORTAGES.has(error.code);
}

/** What it means that a program could not be started. */
export function startError(program: string, error: unknown): CommandError {
  if (isShortage(error)) {
    return new CommandError(`${program} could not be started: ${(error as Error).message}; trying again`, 126);
  }
  return error instanceof Deno.errors.NotFound ? notFound(program) : notExecutable(program);
}

function notFound(program: string): CommandError {
  return new CommandError(`command not found: ${program}`, 127);
}

function notExecutable(program: string): CommandError {
  return new CommandError(`command cannot be executed: ${program}`, 126);
}

function fileInfo(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.statSync(path);
  } catch {
    return undefined;
  }
}

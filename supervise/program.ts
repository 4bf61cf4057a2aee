import { PLATFORM, type Platform } from "./platform.ts";
import { isShortage } from "./processes.ts";

/** A command that cannot be run; the message is one line for the user, the code is what shells give. */
export class CommandError extends Error {
  override readonly name = "CommandError";
  /** `temporary`: it could not be started for want of files, processes or memory; another try may succeed. */
  constructor(message: string, readonly exitCode: 126 | 127, readonly temporary = false) {
    super(message);
  }
}

/** Programs that become another user, whom this one may not send signals to. */
const BECOME_ANOTHER = ["sudo", "su", "doas", "pkexec", "runuser"];
/** Where programs are looked for without a `PATH`. */
const DEFAULT_PATH = "/bin:/usr/bin";
const SETUID = 0o4000;

/**
 * Checks that a program is there and may be run, as a shell would find it, and that it could be ended.
 *
 * @throws {CommandError} If not.
 */
export function checkProgram(program: string, platform: Platform = PLATFORM): void {
  // On Windows, what is executable is known by its ending, by a list that may be changed.
  if (!platform.isUnix) return;
  const found = places(program, originalPath(platform)).map((path) => ({ path, info: fileInfo(path) }))
    .filter(({ info }) => info?.isFile || (info && program.includes("/")));
  if (found.length === 0) throw notFound(program);
  const usable = found.find(({ info }) => info!.isFile && (info!.mode ?? 0) & 0o111);
  if (!usable) throw notExecutable(program);
  const interpreter = missingInterpreter(usable.path);
  if (interpreter !== undefined) throw noInterpreter(program, interpreter);
  const name = usable.path.slice(usable.path.lastIndexOf("/") + 1);
  if (Deno.uid() !== 0 && BECOME_ANOTHER.includes(name) && (usable.info!.mode ?? 0) & SETUID) {
    throw new CommandError(
      `${program} would run the command as another user, whom this one cannot end: run leader-node as that user`,
      126,
    );
  }
}

/** What it means that a program could not be started. */
function startError(program: string, error: unknown): CommandError {
  if (isShortage(error)) {
    const message = `${program} could not be started: ${(error as Error).message}; trying again`;
    return new CommandError(message, 126, true);
  }
  if (!(error instanceof Deno.errors.NotFound)) return notExecutable(program);
  // The same error of the system has three causes.
  try {
    Deno.cwd();
  } catch {
    return new CommandError(`command cannot be started: the working folder was deleted`, 126);
  }
  for (const path of places(program)) {
    const interpreter = missingInterpreter(path);
    if (interpreter !== undefined) return noInterpreter(program, interpreter);
  }
  return notFound(program);
}

/**
 * Starts a program in a process group and a session of its own, with this process's streams.
 *
 * @throws {CommandError} If that cannot be.
 */
export function spawnProgram(argv: readonly string[], env: Readonly<Record<string, string>>): Deno.ChildProcess {
  const [program, ...args] = argv;
  try {
    return new Deno.Command(program!, {
      args,
      // Added to all that was inherited, whether it is valid UTF-8 or not.
      env,
      stdin: "inherit",
      stdout: "inherit",
      stderr: "inherit",
      detached: true,
    }).spawn();
  } catch (error) {
    throw startError(program!, error);
  }
}

/**
 * The command line that starts a program with the `PATH` that this process was started with: in place of an empty
 * one, or none, the runtime has put a folder of its own.
 */
export function withOriginalPath(argv: readonly string[], path = originalPath()): readonly string[] {
  if (path !== "" && path !== undefined) return argv;
  const [program, ...args] = argv;
  const found = places(program!, path).find((place) => fileInfo(place)?.isFile) ?? program!;
  return ["/bin/sh", "-c", `${path === "" ? "PATH=" : "unset PATH"}; exec "$0" "$@"`, found, ...args];
}

/** The `PATH` that this process was started with. */
function originalPath({ isLinux }: Platform = PLATFORM): string | undefined {
  if (!isLinux) return Deno.env.get("PATH");
  try {
    const environment = new TextDecoder().decode(Deno.readFileSync("/proc/self/environ"));
    return environment.split("\0").find((line) => line.startsWith("PATH="))?.slice("PATH=".length);
  } catch {
    return Deno.env.get("PATH");
  }
}

/** Where a program may be. */
function places(program: string, path = originalPath()): string[] {
  if (program.includes("/")) return [program];
  return (path ?? DEFAULT_PATH).split(":").map((folder) => `${folder || "."}/${program}`);
}

/** The interpreter that a script names and that is not there. */
function missingInterpreter(path: string): string | undefined {
  if (!fileInfo(path)?.isFile) return undefined;
  let start: string;
  try {
    using file = Deno.openSync(path);
    const bytes = new Uint8Array(256);
    start = new TextDecoder().decode(bytes.subarray(0, file.readSync(bytes) ?? 0));
  } catch {
    return undefined;
  }
  const interpreter = /^#![ \t]*([^\s\0]+)/.exec(start)?.[1];
  return interpreter !== undefined && !fileInfo(interpreter) ? interpreter : undefined;
}

function notFound(program: string): CommandError {
  return new CommandError(`command not found: ${program}`, 127);
}

function noInterpreter(program: string, interpreter: string): CommandError {
  return new CommandError(`command cannot be started: ${program} asks for ${interpreter}, which is not there`, 127);
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

/**
 * The program: a node, or one of the sub-commands.
 *
 * @example A node in a program of your own
 * ```ts
 * import { main } from "./main.ts";
 *
 * console.log(await main(["--version"])); // Or ["--port", "8080"]: until a signal ends the node.
 * ```
 *
 * @module
 */
import { helpText, parseCommandLine } from "./cli/command_line.ts";
import { UsageError } from "./cli/flags.ts";
import { LogWriter } from "./cli/log_writer.ts";
import { VERSION } from "./cli/version.ts";
import { CommandError } from "./supervise/program.ts";
import { ListenError } from "./http/listen_error.ts";
import { AskError } from "./cli/inspect/ask.ts";

/**
 * Does what the command line says; what is not needed is not loaded. Whatever is the user's to mend, it says in a
 * line on stderr.
 *
 * @param args The command line, without the program's name.
 * @returns The exit code.
 */
export async function main(args: readonly string[]): Promise<number> {
  try {
    const command = parseCommandLine(args, (name) => Deno.env.get(name));
    switch (command.type) {
      case "help":
        console.log(helpText());
        return 0;
      case "version":
        console.log(`leader-node ${VERSION}`);
        return 0;
      case "run":
        return await (await import("./cli/node.ts")).runNode(command.config, VERSION);
      case "control":
        console.log(await (await import("./cli/control.ts")).transferLeadership(command.config));
        return 0;
      case "inspect":
        return await (await import("./cli/inspect/command.ts")).inspect(command.config);
      case "watchdog":
        await runWatchdog(command.pipes);
        return 0;
    }
  } catch (error) {
    const code = exitCode(error);
    if (code === undefined) throw error;
    await say(`leader-node: ${(error as Error).message}`);
    return code;
  }
}

async function runWatchdog(pipes?: { readonly read: number; readonly write: number }): Promise<void> {
  const [{ openLog }, watchdog] = await Promise.all([import("./cli/log.ts"), import("./supervise/watchdog_main.ts")]);
  await watchdog.runWatchdog((options) => {
    const { log, writer } = openLog(options);
    return { log, end: () => writer.end() };
  }, pipes);
}

/** Writes a line to stderr, which may have no reader: then it ends without. */
async function say(line: string): Promise<void> {
  const writer = new LogWriter(Deno.stderr, String);
  writer.write(line);
  await writer.end();
}

/** The exit code of an error that is the user's to mend. */
function exitCode(error: unknown): number | undefined {
  if (error instanceof UsageError || error instanceof Deno.errors.NotCapable) return 2;
  if (error instanceof CommandError) return error.exitCode;
  if (error instanceof ListenError || error instanceof AskError) return 1;
}

if (import.meta.main) Deno.exit(await main(Deno.args));

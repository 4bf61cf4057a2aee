/**
 * The program `leader-node`: runs a node or a subcommand.
 *
 * @example A node in a program of your own
 * ```ts
 * import { main } from "./main.ts";
 *
 * console.log(await main(["--version"])); // ["--port", "8080"] runs a node until a signal stops it.
 * ```
 *
 * @module
 */
import { parseCommandLine } from "./cli/command_line.ts";
import { UsageError } from "./cli/flags.ts";
import { LogWriter } from "./cli/log_writer.ts";
import { OutputError, print } from "./cli/print.ts";
import { VERSION } from "./cli/version.ts";
import type { LogOptions } from "./supervise/log.ts";
import { CommandError } from "./supervise/program.ts";
import { ListenError } from "./http/listen_error.ts";
import { missingPermission, printable } from "./election/internal.ts";
import { AskError } from "./cli/inspect/ask.ts";

/**
 * Runs the command line and returns the exit code. Errors that the user can correct are printed on stderr in one
 * line, as `leader-node: <message>`.
 *
 * @param args The command line, without the program's name.
 * @returns 0 on success; 1 if the port, etcd, a node or stdout cannot be used; 2 for invalid usage or a missing permission; `status`, `members`:
 * 3 without a leader; with a command: its exit code, or 126 or 127 if it cannot be run.
 */
export async function main(args: readonly string[]): Promise<number> {
  // Modules that the command does not need are not loaded.
  try {
    const command = parseCommandLine(args, (name) => Deno.env.get(name));
    switch (command.type) {
      case "help":
        await print((await import("./cli/help.ts")).helpText(command.subcommand));
        return 0;
      case "version":
        await print(`leader-node ${VERSION}`);
        return 0;
      case "man":
        await print((await import("./cli/man.ts")).manPage(VERSION));
        return 0;
      case "completions":
        await print((await import("./cli/completions.ts")).completions(command.shell));
        return 0;
      case "run":
        return await (await import("./cli/node.ts")).runNode(command.config, VERSION);
      case "control":
        await print(printable(await (await import("./cli/control.ts")).transferLeadership(command.config)));
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
    await say(`leader-node: ${printable((error as Error).message)}`);
    return code;
  }
}

async function runWatchdog(pipes?: { readonly read: number; readonly write: number }): Promise<void> {
  const [{ openLog }, { etcdOptions }, watchdog] = await Promise.all([
    import("./cli/log.ts"),
    import("./cli/etcd_files.ts"),
    import("./supervise/watchdog_main.ts"),
  ]);
  const open = (options: LogOptions) => {
    const { log, writer } = openLog(options);
    return { log, end: () => writer.end() };
  };
  await watchdog.runWatchdog({ openLog: open, etcdOptions }, pipes);
}

/** Writes a line to stderr, which may have no reader: then it ends without. */
async function say(line: string): Promise<void> {
  const writer = new LogWriter(Deno.stderr, String);
  writer.write(line);
  await writer.end();
}

/** The exit code of an error that the user can correct; undefined for others. */
function exitCode(error: unknown): number | undefined {
  if (error instanceof UsageError || missingPermission(String(error)) !== undefined) return 2;
  if (error instanceof CommandError) return error.exitCode;
  if (error instanceof ListenError || error instanceof AskError || error instanceof OutputError) return 1;
}

if (import.meta.main) Deno.exit(await main(Deno.args));

import { type ControlConfig, readControlConfig } from "./control_flags.ts";
import { type Env, quote, similar, UsageError } from "./flags.ts";
import { type InspectConfig, readInspectConfig } from "./inspect/flags.ts";
import { type Config, readNodeConfig } from "./node_flags.ts";
import { isSubcommand, type Shell, SHELLS, type Subcommand, SUBCOMMANDS } from "./subcommands.ts";

/** What the command line asks for. */
export type Command =
  | { readonly type: "run"; readonly config: Config }
  | { readonly type: "control"; readonly config: ControlConfig }
  | { readonly type: "inspect"; readonly config: InspectConfig }
  /** Started by a node, not by users; `pipes` are the descriptors of the messages. */
  | { readonly type: "watchdog"; readonly pipes?: { readonly read: number; readonly write: number } }
  /** Help for a subcommand, or without one for the whole program. */
  | { readonly type: "help"; readonly subcommand?: Subcommand }
  | { readonly type: "version" }
  | { readonly type: "completions"; readonly shell: Shell }
  | { readonly type: "man" };

/**
 * Parses the command line and the environment.
 *
 * @throws {UsageError} If an argument or a value is invalid.
 */
export function parseCommandLine(args: readonly string[], env: Env): Command {
  const [word, ...rest] = args;
  if (word === undefined || word.startsWith("-")) {
    const config = readNodeConfig(args, env);
    return typeof config === "string" ? { type: config } : { type: "run", config };
  }
  if (word === "watchdog" && rest.every((text) => /^\d+$/.test(text)) && rest.length % 2 === 0) {
    const [read, write] = rest.map(Number);
    return { type: "watchdog", pipes: read === undefined || write === undefined ? undefined : { read, write } };
  }
  const subcommand = knownSubcommand(word);
  switch (subcommand) {
    case "help":
      return parseHelp(rest);
    case "version":
      return isHelpFlag(rest) ? { type: "help" } : without(rest, { type: "version" });
    case "man":
      return isHelpFlag(rest) ? { type: "help", subcommand } : without(rest, { type: "man" });
    case "completions":
      return isHelpFlag(rest) ? { type: "help", subcommand } : parseCompletions(rest);
    case "resign":
    case "switchover": {
      const config = readControlConfig(subcommand, rest, env);
      return config === "help" ? { type: "help", subcommand } : { type: "control", config };
    }
    default: {
      const config = readInspectConfig(subcommand, rest, env);
      return config === "help" ? { type: "help", subcommand } : { type: "inspect", config };
    }
  }
}

/** The arguments of `help`: nothing, or a subcommand. */
function parseHelp(args: readonly string[]): Command {
  const [word, ...rest] = args;
  if (word === undefined || isHelpFlag(args)) return { type: "help" };
  const subcommand = knownSubcommand(word);
  const hasPage = subcommand !== "help" && subcommand !== "version";
  return without(rest, hasPage ? { type: "help", subcommand } : { type: "help" });
}

/** The arguments of `completions`: a shell. */
function parseCompletions([word, ...rest]: readonly string[]): Command {
  const shell = SHELLS.find((name) => name === word);
  if (!shell) {
    throw new UsageError(
      `completions: ${word === undefined ? "missing shell" : `unknown shell ${quote(word)}`}; expected ${
        SHELLS.join(", ")
      }`,
    );
  }
  return without(rest, { type: "completions", shell });
}

function isHelpFlag(args: readonly string[]): boolean {
  return args.length === 1 && (args[0] === "--help" || args[0] === "-h");
}

function without(rest: readonly string[], command: Command): Command {
  if (rest[0] === undefined) return command;
  throw new UsageError(`unexpected argument ${quote(rest[0])}; expected nothing after ${command.type}`);
}

function knownSubcommand(word: string): Subcommand {
  if (isSubcommand(word)) return word;
  const meant = similar(word, Object.keys(SUBCOMMANDS));
  throw new UsageError(
    `unknown subcommand ${quote(word)}; ${meant ? `did you mean ${meant}?` : "leader-node help lists all subcommands"}`,
  );
}

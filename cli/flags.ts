import { parseArgs } from "@std/cli/parse-args";
import { closestString } from "@std/text/closest-string";
import { InvalidOptionError } from "../election/internal.ts";

/** The command line cannot be used; the message is one line for the user. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** One flag, which can be set in the environment too. */
export interface Flag {
  /** What stands for the value in the help; a flag without one is a switch. */
  readonly value?: string;
  readonly help: string;
  /** What the value should be, in the words of an error message. */
  readonly expected: string;
  readonly fallback?: string;
  /** Environment variables that are read after `LEADER_NODE_<FLAG>`. */
  readonly env?: readonly string[];
  /** A switch that has a `--no-` too. */
  readonly negatable?: boolean;
  /** Never shown. */
  readonly secret?: boolean;
  /** Only read from the environment. */
  readonly envOnly?: boolean;
  /** Never read from the environment. */
  readonly argOnly?: boolean;
}

/** Flags by their names. */
export type FlagTable<Name extends string> = Readonly<Record<Name, Flag>>;

/** The environment, by name. */
export type Env = (name: string) => string | undefined;

/** What was set, by the command line, the environment or default. */
export interface FlagValues<Name extends string> {
  /** The setting as `parse` understands it; `parse` gives nothing, or throws, for what it does not. */
  read<T>(name: Name, parse: (text: string) => T | undefined): T | undefined;
  /** Whether somebody set it. */
  isSet(name: Name): boolean;
}

/** What a switch expects. */
export const SWITCH = "true or false";

/**
 * Reads the command line and the environment: a flag goes before a variable, a variable before the default.
 *
 * @throws {UsageError} If the command line holds what is no flag, or, by `read`, if a value cannot be used.
 */
export function readFlags<Name extends string>(
  table: FlagTable<Name>,
  args: readonly string[],
  env: Env,
  expectedWords: string,
): FlagValues<Name> {
  const flags = parseFlags(table, args, expectedWords);
  return {
    isSet: (name) => flags[name] !== undefined || variablesOf(name, table).some((variable) => env(variable)),
    read: (name, parse) => {
      const { from, text } = find(name, table, flags, env);
      if (text === undefined) return undefined;
      const value = text === "" ? undefined : understand(parse, text);
      if (value !== undefined) return value;
      const shown = table[name].secret ? "what it is" : quote(text);
      const wrong = text === "" ? "needs a value" : `cannot be ${shown}`;
      throw new UsageError(`${from} ${wrong}: expected ${table[name].expected}`);
    },
  };
}

/** The lines of a help text, one for each flag. */
export function flagLines(table: FlagTable<string>): string[] {
  const rows = Object.entries(table).filter(([, { envOnly }]) => !envOnly).map(([name, flag]) => {
    const left = `--${flag.negatable ? "[no-]" : ""}${name}${flag.value ? ` ${flag.value}` : ""}`;
    return [left, flag.help + (flag.fallback ? ` (default: ${flag.fallback})` : "")] as const;
  });
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`);
}

/** Reads a file, if that can be. */
export function readFile(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return undefined;
  }
}

/** An http or https URL without anything that does not belong into an address. */
export function parseUrl(text: string): string | undefined {
  const url = URL.parse(text);
  const usable = url && /^https?:$/.test(url.protocol) && !url.username && !url.password && !url.search && !url.hash;
  return usable ? url.href.replace(/\/$/, "") : undefined;
}

/** The value of a switch. */
export function parseSwitch(text: string): boolean | undefined {
  return /^(true|1|yes)$/i.test(text) ? true : /^(false|0|no)$/i.test(text) ? false : undefined;
}

/** A value in a message: on one line, not too long, and without a password that it may hold. */
export function quote(text: string): string {
  const shown = text.replace(/\/\/[^/@\s]*@/g, "//***@");
  return JSON.stringify(shown.length > 100 ? shown.slice(0, 100) + "…" : shown);
}

function parseFlags(
  table: FlagTable<string>,
  args: readonly string[],
  expectedWords: string,
): Record<string, unknown> {
  const names = Object.keys(table).filter((name) => !table[name]!.envOnly);
  const strayWord = (word: string) => `unexpected ${quote(word)}: expected ${expectedWords}`;
  const { _: words, ...flags } = parseArgs(normalize(table, names, args), {
    string: names,
    unknown: (arg) => {
      throw new UsageError(arg.startsWith("-") ? unknownFlag(arg, names) : strayWord(arg));
    },
  });
  if (words[0] !== undefined) throw new UsageError(strayWord(String(words[0])));
  return flags;
}

/** Gives switches a value, and makes `--port -1` and `--port ""` one flag with a wrong value each. */
function normalize(table: FlagTable<string>, names: readonly string[], args: readonly string[]): string[] {
  const normal: string[] = [];
  for (const arg of args) {
    const last = normal.at(-1);
    const name = names.find((name) => arg === `--${name}` || (name === "help" && arg === "-h"));
    const denied = names.find((name) => table[name]!.negatable && arg === `--no-${name}`);
    if (name && !("value" in table[name]!)) normal.push(`--${name}=true`);
    else if (denied) normal.push(`--${denied}=false`);
    else if (/^(-[\d.].*)?$/.test(arg) && last && /^--[^=]+$/.test(last)) normal.push(`${normal.pop()}=${arg}`);
    else normal.push(arg);
  }
  return normal;
}

function variablesOf(name: string, table: FlagTable<string>): string[] {
  if (table[name]!.argOnly) return [];
  return [`LEADER_NODE_${name.toUpperCase().replaceAll("-", "_")}`, ...table[name]!.env ?? []];
}

/** The setting as the user gave it, and where: that is where a person looks for it. */
function find(
  name: string,
  table: FlagTable<string>,
  flags: Record<string, unknown>,
  env: Env,
): { from: string; text?: string } {
  if (flags[name] !== undefined) return { from: `--${name}`, text: String(flags[name]) };
  for (const variable of variablesOf(name, table)) {
    const text = env(variable);
    if (text) return { from: variable, text };
  }
  return { from: `--${name}`, text: table[name]!.fallback };
}

function understand<T>(parse: (text: string) => T | undefined, text: string): T | undefined {
  try {
    return parse(text);
  } catch (error) {
    if (error instanceof InvalidOptionError) return undefined;
    throw error;
  }
}

function unknownFlag(arg: string, names: readonly string[]): string {
  const name = arg.split("=", 1)[0]!;
  const nearest = closestString(name.replace(/^-+/, ""), names);
  return `unknown flag ${quote(name)}: did you mean --${nearest}? leader-node --help lists all flags`;
}

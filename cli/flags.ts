import { parseArgs } from "@std/cli/parse-args";
import { closestString } from "@std/text/closest-string";
import { InvalidOptionError, maskPassword } from "../election/internal.ts";
import { shortened, visibleJson } from "./visible.ts";

/** The command line or the environment is invalid. The message is one line for the user. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** One flag, which can also be set in the environment. */
export interface Flag {
  /** Placeholder of the value in the help; a flag without one is a switch. */
  readonly value?: string;
  readonly help: string;
  /** A valid value, as described in error messages after "expected". */
  readonly expected: string;
  /** The default. */
  readonly fallback?: string;
  /** Environment variables to read if `LEADER_NODE_<FLAG>` is not set. */
  readonly env?: readonly string[];
  /** Whether the switch also has a `--no-` form. */
  readonly negatable?: boolean;
  /** Whether the value must not appear in messages. */
  readonly secret?: boolean;
  /** Whether it can be set in the environment only. */
  readonly envOnly?: boolean;
  /** Whether it can be set on the command line only. */
  readonly argOnly?: boolean;
  /** The subcommands that have this flag, if not all of its table do. */
  readonly only?: readonly string[];
}

/** Flags by name. */
export type FlagTable<Name extends string> = Readonly<Record<Name, Flag>>;

/** Looks up an environment variable. */
export type Env = (name: string) => string | undefined;

/** Flag values from the command line, the environment and the defaults. */
export interface FlagValues<Name extends string> {
  /**
   * The parsed value; undefined if it is not set and has no default.
   *
   * @throws {UsageError} If `parse` returns undefined or throws {@linkcode InvalidOptionError}.
   */
  read<T>(name: Name, parse: (text: string) => T | undefined): T | undefined;
  /** Whether it is set on the command line or in the environment. */
  isSet(name: Name): boolean;
  /** Where it is set: 0 for the command line, more for each variable that is read later, infinite if nowhere. */
  rank(name: Name): number;
}

/** The value of the source that is set nearest to the command line, the first of those equally near, if any is set. */
export function nearest<T>(sources: readonly (readonly [rank: number, read: () => T])[]): T | undefined {
  const [first] = sources.filter(([rank]) => rank < Infinity).toSorted(([a], [b]) => a - b);
  return first?.[1]();
}

/** What the command line belongs to, for error messages. */
export interface Syntax {
  /** The subcommand; none for a node. */
  readonly subcommand?: string;
  /** What is expected instead of a word that is not a flag. */
  readonly expected: string;
}

/** What a switch expects. */
export const SWITCH = "true or false";

/**
 * Reads the command line and the environment. A flag overrides a variable, a variable overrides the default.
 *
 * @throws {UsageError} If an argument is unknown; `read` throws it for an invalid value.
 */
export function readFlags<Name extends string>(
  table: FlagTable<Name>,
  args: readonly string[],
  env: Env,
  syntax: Syntax,
): FlagValues<Name> {
  const taken: FlagTable<string> = flagsOf(table, syntax.subcommand);
  const flags = parseFlags(taken, args, (arg) => argumentProblem(arg, table, taken, syntax));
  const own = withoutServiceLinks(env);
  const rank = (name: string) => {
    const index = variablesOf(name, taken).findIndex((variable) => own(variable));
    return flags[name] !== undefined ? 0 : index < 0 ? Infinity : index + 1;
  };
  return {
    rank,
    isSet: (name) => rank(name) < Infinity,
    read: (name, parse) => {
      const { source, text } = find(name, taken, flags, own);
      if (text === undefined) return undefined;
      const value = text === "" ? undefined : tryParse(parse, text);
      if (value !== undefined) return value;
      const { secret, expected } = table[name];
      const invalid = `invalid value ${secret ? "(not shown)" : quote(text)}`;
      throw new UsageError(`${source}: ${text === "" ? "missing value" : invalid}; expected ${expected}`);
    },
  };
}

/** Kubernetes describes a Service with the name leader-node in variables, one of which is named like that of a flag. */
function withoutServiceLinks(env: Env): Env {
  return (name) => {
    const text = env(name);
    const isLink = name === "LEADER_NODE_PORT" && /^(tcp|udp|sctp):/.test(text ?? "") &&
      env("LEADER_NODE_SERVICE_HOST");
    return isLink ? undefined : text;
  };
}

/** The flags of a table that a subcommand has. */
export function flagsOf(table: FlagTable<string>, subcommand?: string): FlagTable<string> {
  const has = ({ only }: Flag) => only === undefined || (subcommand !== undefined && only.includes(subcommand));
  return Object.fromEntries(Object.entries(table).filter(([, flag]) => has(flag)));
}

/** The known word that the given one is probably a misspelling or a part of, if there is one. */
export function similar(word: string, known: readonly string[]): string | undefined {
  if (word.length < 2) return undefined;
  const related = known.filter((name) =>
    (word.length >= 3 && name.includes(word)) || (word.includes(name) && word.length <= name.length + 3)
  );
  if (related.length > 0) return closestString(word, related);
  const nearest = closestString(word, known);
  return isWithin(word, nearest, word.length > 3 ? 2 : 1) ? nearest : undefined;
}

/**
 * Reads a file; undefined if that fails.
 *
 * @throws {Deno.errors.NotCapable} If Deno's permission for it is missing.
 */
export function readFile(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
    return undefined;
  }
}

/** An http or https URL without user, query, fragment and final slash. */
export function parseUrl(text: string): string | undefined {
  const url = URL.parse(text);
  const usable = url && /^https?:$/.test(url.protocol) && !url.username && !url.password && !url.search && !url.hash;
  return usable ? url.href.replace(/\/$/, "") : undefined;
}

export function parseSwitch(text: string): boolean | undefined {
  return /^(true|1|yes)$/i.test(text) ? true : /^(false|0|no)$/i.test(text) ? false : undefined;
}

/** A value for a message: on one line, shortened, and without the password that a URL may contain. */
export function quote(text: string): string {
  return visibleJson(shortened(/\/\/|:/.test(text) ? maskPassword(text) : text, 100));
}

function parseFlags(
  table: FlagTable<string>,
  args: readonly string[],
  problem: (arg: string) => string,
): Record<string, unknown> {
  const names = namesOf(table);
  const { _: words, ...flags } = parseArgs(normalize(table, names, args), {
    string: names,
    unknown: (arg) => {
      throw new UsageError(problem(arg));
    },
  });
  if (words[0] !== undefined) throw new UsageError(problem(String(words[0])));
  return flags;
}

/** The names of the flags that can be set on the command line. */
function namesOf(table: FlagTable<string>): string[] {
  return Object.keys(table).filter((name) => !table[name]!.envOnly);
}

/** Why an argument is refused. */
function argumentProblem(
  arg: string,
  all: FlagTable<string>,
  taken: FlagTable<string>,
  { subcommand, expected }: Syntax,
): string {
  if (!arg.startsWith("-")) return `unexpected argument ${quote(arg)}; expected ${expected}`;
  const flag = arg.split("=", 1)[0]!;
  const name = flag.replace(/^-+/, "");
  const only = Object.hasOwn(all, name) ? all[name]!.only : undefined;
  if (only) return `${subcommand} does not take --${name}; only ${only.join(" and ")} does`;
  const meant = similar(name, namesOf(taken));
  if (meant) return `unknown flag ${quote(flag)}; did you mean --${meant}?`;
  return `unknown flag ${quote(flag)}; leader-node ${subcommand ? `${subcommand} ` : ""}--help lists all flags`;
}

/** Whether so many insertions, deletions and replacements of letters make one word the other. */
function isWithin(a: string, b: string, edits: number): boolean {
  if (a === b) return true;
  if (Math.abs(a.length - b.length) > edits || edits === 0) return false;
  if (a !== "" && a[0] === b[0]) return isWithin(a.slice(1), b.slice(1), edits);
  return [[1, 0], [0, 1], [1, 1]].some(([i, j]) => isWithin(a.slice(i), b.slice(j), edits - 1));
}

/** Gives switches a value, and joins `--port -1` and `--port ""` to one argument each, for clear error messages. */
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

/** The environment variables of a flag, in the order in which they are read. */
export function variablesOf(name: string, table: FlagTable<string>): string[] {
  const flag = table[name];
  if (!flag || flag.argOnly) return [];
  return [`LEADER_NODE_${name.toUpperCase().replaceAll("-", "_")}`, ...flag.env ?? []];
}

/** The value as the user gave it, and the flag or variable that it came from, for error messages. */
function find(
  name: string,
  table: FlagTable<string>,
  flags: Record<string, unknown>,
  env: Env,
): { source: string; text?: string } {
  if (flags[name] !== undefined) return { source: `--${name}`, text: String(flags[name]) };
  for (const variable of variablesOf(name, table)) {
    const text = env(variable);
    if (text) return { source: variable, text };
  }
  return { source: `--${name}`, text: table[name]?.fallback };
}

function tryParse<T>(parse: (text: string) => T | undefined, text: string): T | undefined {
  try {
    return parse(text);
  } catch (error) {
    if (error instanceof InvalidOptionError) return undefined;
    throw error;
  }
}

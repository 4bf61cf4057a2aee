import { parseArgs } from "@std/cli";
import { closestString } from "@std/text";
import { InvalidOptionError } from "../election/errors.ts";
import {
  checkEndpoints,
  checkName,
  checkTtl,
  DEFAULT_ENDPOINT,
  DEFAULT_TTL,
  EXPECTED,
  type TlsOptions,
  type UserOptions,
} from "../election/options.ts";
import { LOG_FORMATS, LOG_LEVELS, type LogFormat, type LogLevel } from "./log.ts";

/** How one node is to run. */
export interface Config {
  port: number;
  hostname: string;
  endpoints: string[];
  election: string;
  /** Made of host and port if not set. */
  id?: string;
  /** Whole seconds. */
  ttl: number;
  /** Made of host and port if not set. */
  advertiseUrl?: string;
  /** For https endpoints. */
  tls?: TlsOptions;
  /** The etcd user to log in as. */
  user?: UserOptions;
  observe: boolean;
  logFormat: LogFormat;
  logLevel: LogLevel;
}

/** What the command line asks for. */
export type Command =
  | { readonly type: "run"; readonly config: Config }
  | { readonly type: "help" }
  | { readonly type: "version" };

/** The command line cannot be used; the message is one line for the user. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

interface Flag {
  /** What stands for the value in the help; a flag without one is a switch. */
  readonly value?: string;
  readonly help: string;
  /** What the value should be, in the words of an error message. */
  readonly expected: string;
  readonly fallback?: string;
  /** Environment variables that are read after `LEADER_NODE_<FLAG>`. */
  readonly env?: readonly string[];
}

const SWITCH = "true or false";
const PEM_FILE = "a file that can be read and holds PEM";

const FLAGS = {
  "port": {
    value: "PORT",
    help: "HTTP port; 0 picks a free one",
    expected: "a port number from 0 to 65535, 0 for any free one",
    fallback: "8080",
  },
  "hostname": {
    value: "ADDRESS",
    help: "address to serve HTTP on",
    expected: "an address or a host name of this machine, such as 127.0.0.1 or 0.0.0.0",
    fallback: "0.0.0.0",
  },
  "endpoints": {
    value: "A,B,C",
    help: "etcd's client endpoints, as host:port or URLs",
    expected: EXPECTED.endpoints,
    fallback: DEFAULT_ENDPOINT,
    env: ["ETCDCTL_ENDPOINTS"],
  },
  "election": {
    value: "NAME",
    help: "the election to stand in",
    expected: EXPECTED.name,
    fallback: "leader-node",
  },
  "id": {
    value: "ID",
    help: "this node's name (default: <host>:<port>)",
    expected: "a name of 1 to 200 characters on one line",
  },
  "ttl": {
    value: "SECONDS",
    help: "how long a dead leader keeps its place",
    expected: EXPECTED.ttl,
    fallback: String(DEFAULT_TTL),
  },
  "advertise-url": {
    value: "URL",
    help: "where others reach this node (default: http://<host>:<port>)",
    expected: "an http or https URL such as http://host-a:8080",
  },
  "cacert": {
    value: "FILE",
    help: "the authority that signed etcd's certificates (PEM)",
    expected: PEM_FILE,
    env: ["ETCDCTL_CACERT"],
  },
  "cert": {
    value: "FILE",
    help: "this node's client certificate for etcd (PEM)",
    expected: PEM_FILE,
    env: ["ETCDCTL_CERT"],
  },
  "key": { value: "FILE", help: "the key of the client certificate (PEM)", expected: PEM_FILE, env: ["ETCDCTL_KEY"] },
  "tls-server-name": {
    value: "NAME",
    help: "the name that etcd's certificate is for, if endpoints are IP addresses",
    expected: "a host name such as etcd.example",
  },
  "user": {
    value: "NAME[:PASSWORD]",
    help: "the etcd user to log in as; better without the password, which ps shows",
    expected: "a user's name, maybe with a colon and a password",
    env: ["ETCDCTL_USER"],
  },
  "password": {
    value: "PASSWORD",
    help: "the user's password; better in LEADER_NODE_PASSWORD or a file, since ps shows flags",
    expected: "the password of --user",
    env: ["ETCDCTL_PASSWORD"],
  },
  "password-file": {
    value: "FILE",
    help: "a file that holds the user's password",
    expected: "a file that can be read and holds a password",
  },
  "observe": { help: "look on, never be a candidate", expected: SWITCH },
  "log-format": {
    value: LOG_FORMATS.join("|"),
    help: "how log lines look",
    expected: LOG_FORMATS.join(" or "),
    fallback: "text",
  },
  "log-level": {
    value: LOG_LEVELS.join("|"),
    help: "the least that is logged",
    expected: "debug, info, warn or error",
    fallback: "info",
  },
  "version": { help: "print the version and exit", expected: SWITCH },
  "help": { help: "print this help and exit", expected: SWITCH },
} as const satisfies Record<string, Flag>;

type FlagName = keyof typeof FLAGS;

/** What is never shown. */
const SECRET: readonly FlagName[] = ["user", "password"];

const NAMES = Object.keys(FLAGS) as FlagName[];

/**
 * Reads the command line and the environment: a flag goes before a variable, a variable before the default.
 *
 * @throws {UsageError} If anything in them cannot be used.
 */
export function parseCommandLine(args: readonly string[], env: (name: string) => string | undefined): Command {
  const flags = parseFlags(args);
  if (flags.help !== undefined) return { type: "help" };
  if (flags.version !== undefined) return { type: "version" };
  /** The setting as `parse` understands it; `parse` gives nothing, or throws, for what it does not. */
  const read = <T>(name: FlagName, parse: (text: string) => T | undefined): T | undefined => {
    const { from, text } = find(name, flags, env);
    if (text === undefined) return undefined;
    const value = text === "" ? undefined : understand(parse, text);
    if (value !== undefined) return value;
    const shown = SECRET.includes(name) ? "what it is" : quote(text);
    const wrong = text === "" ? "needs a value" : `cannot be ${shown}`;
    throw new UsageError(`${from} ${wrong}: expected ${FLAGS[name].expected}`);
  };
  const endpoints = read("endpoints", (text) => checkEndpoints(text.split(",").map((endpoint) => endpoint.trim())))!;
  return {
    type: "run",
    config: {
      tls: readTls(read, endpoints),
      user: readUser(read),
      port: read("port", parsePort)!,
      hostname: read("hostname", (text) => /^[\w.:%-]+$/.test(text) ? text : undefined)!,
      endpoints,
      election: read("election", checkName)!,
      id: read("id", (text) => text.trim() !== "" && text.length <= 200 && !/\p{C}/u.test(text) ? text : undefined),
      ttl: read("ttl", (text) => checkTtl(/^\d+$/.test(text) ? Number(text) : NaN))!,
      advertiseUrl: read("advertise-url", parseUrl),
      observe: read("observe", parseSwitch) ?? false,
      logFormat: read("log-format", (text) => LOG_FORMATS.find((known) => known === text))!,
      logLevel: read("log-level", (text) => LOG_LEVELS.find((known) => known === text))!,
    },
  };
}

type Read = <T>(name: FlagName, parse: (text: string) => T | undefined) => T | undefined;

function readTls(read: Read, endpoints: readonly string[]): TlsOptions | undefined {
  const pem = (path: string) => {
    const text = readFile(path);
    return text?.includes("-----BEGIN ") ? text : undefined;
  };
  const [ca, cert, key] = [read("cacert", pem), read("cert", pem), read("key", pem)];
  const serverName = read("tls-server-name", (text) => /^[\w.-]+$/.test(text) ? text : undefined);
  if (ca === undefined && cert === undefined && key === undefined && serverName === undefined) return undefined;
  if ((cert === undefined) !== (key === undefined)) throw new UsageError("--cert and --key go together: expected both");
  if (endpoints.some((endpoint) => endpoint.startsWith("http:"))) {
    throw new UsageError("TLS flags go with https endpoints: expected --endpoints such as https://etcd.example:2379");
  }
  return { ca, cert, key, serverName };
}

function readUser(read: Read): UserOptions | undefined {
  const user = read("user", (text) => text.startsWith(":") ? undefined : text);
  const given = read("password", (text) => text) ??
    read("password-file", (path) => readFile(path)?.trimEnd() || undefined);
  if (user === undefined) {
    if (given !== undefined) throw new UsageError("a password goes with a user: expected --user too");
    return undefined;
  }
  const colon = user.indexOf(":");
  const name = colon < 0 ? user : user.slice(0, colon);
  const password = given ?? (colon < 0 ? "" : user.slice(colon + 1));
  if (password !== "") return { name, password };
  throw new UsageError("--user needs a password: expected LEADER_NODE_PASSWORD, --password-file or --password");
}

function readFile(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return undefined;
  }
}

/** The text that `--help` prints. */
export function helpText(): string {
  const rows = NAMES.map((name) => {
    const flag: Flag = FLAGS[name];
    const left = `--${name}${flag.value ? ` ${flag.value}` : ""}`;
    return [left, flag.help + (flag.fallback ? ` (default: ${flag.fallback})` : "")] as const;
  });
  const width = Math.max(...rows.map(([left]) => left.length));
  return `leader-node: one of many is the leader, by etcd

Usage: leader-node [flags]

${rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`).join("\n")}

Each flag can be set as LEADER_NODE_<FLAG> in the environment too, such as LEADER_NODE_PORT=8081;
etcdctl's ETCDCTL_ENDPOINTS, _CACERT, _CERT, _KEY, _USER and _PASSWORD are read too.
Ask a node over HTTP: curl http://localhost:8080/`;
}

function parseFlags(args: readonly string[]): Record<string, unknown> {
  const { _: words, "--": rest, ...flags } = parseArgs(normalize(args), {
    "--": true,
    string: NAMES,
    unknown: (arg) => {
      throw new UsageError(arg.startsWith("-") ? unknownFlag(arg) : strayWord(arg));
    },
  });
  const stray = [...words, ...rest ?? []][0];
  if (stray !== undefined) throw new UsageError(strayWord(stray));
  return flags;
}

/** Gives switches a value, and makes `--port -1` and `--port ""` one flag with a wrong value each. */
function normalize(args: readonly string[]): string[] {
  const normal: string[] = [];
  for (const arg of args) {
    const last = normal.at(-1);
    const name = NAMES.find((name) => arg === `--${name}` || (name === "help" && arg === "-h"));
    if (name && !("value" in FLAGS[name])) normal.push(`--${name}=true`);
    else if (/^(-[\d.].*)?$/.test(arg) && last && /^--[^=]+$/.test(last)) normal.push(`${normal.pop()}=${arg}`);
    else normal.push(arg);
  }
  return normal;
}

/** The setting as the user gave it, and where: that is where a person looks for it. */
function find(
  name: FlagName,
  flags: Record<string, unknown>,
  env: (name: string) => string | undefined,
): { from: string; text?: string } {
  const flag: Flag = FLAGS[name];
  if (flags[name] !== undefined) return { from: `--${name}`, text: String(flags[name]) };
  for (const variable of [`LEADER_NODE_${name.toUpperCase().replaceAll("-", "_")}`, ...flag.env ?? []]) {
    const text = env(variable);
    if (text) return { from: variable, text };
  }
  return { from: `--${name}`, text: flag.fallback };
}

function understand<T>(parse: (text: string) => T | undefined, text: string): T | undefined {
  try {
    return parse(text);
  } catch (error) {
    if (error instanceof InvalidOptionError) return undefined;
    throw error;
  }
}

function unknownFlag(arg: string): string {
  const name = arg.split("=", 1)[0]!;
  const nearest = closestString(name.replace(/^-+/, ""), NAMES);
  return `unknown flag ${quote(name)}: did you mean --${nearest}? leader-node --help lists all flags`;
}

function strayWord(word: string): string {
  return `unexpected ${quote(word)}: expected flags only; leader-node --help lists them`;
}

function parsePort(text: string): number | undefined {
  return /^\d{1,5}$/.test(text) && Number(text) <= 65535 ? Number(text) : undefined;
}

function parseUrl(text: string): string | undefined {
  const url = URL.parse(text);
  const usable = url && /^https?:$/.test(url.protocol) && !url.username && !url.password && !url.search && !url.hash;
  return usable ? url.href.replace(/\/$/, "") : undefined;
}

function parseSwitch(text: string): boolean | undefined {
  return /^(true|1|yes)$/i.test(text) ? true : /^(false|0|no)$/i.test(text) ? false : undefined;
}

/** A value in a message: on one line, not too long, and without a password that it may hold. */
function quote(text: string): string {
  const shown = text.replace(/\/\/[^/@\s]*@/g, "//***@");
  return JSON.stringify(shown.length > 100 ? shown.slice(0, 100) + "…" : shown);
}

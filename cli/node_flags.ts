import type { LogFormat, LogLevel } from "../supervise/log.ts";
import { checkPriority, checkTtl, DEFAULT_TTL, EXPECTED, isPrintable } from "../election/internal.ts";
import { ETCD_FLAGS, type EtcdConfig, PEM_FILE, readEtcdConfig, readPem } from "./etcd_flags.ts";
import { LOG_FORMATS, LOG_LEVELS } from "./log.ts";
import {
  type Env,
  type FlagTable,
  type FlagValues,
  nearest,
  parseSwitch,
  parseUrl,
  readFile,
  readFlags,
  SWITCH,
  UsageError,
} from "./flags.ts";

/** What to do when the command exits on its own. */
const ON_EXIT = ["exit", "resign", "restart"] as const;

/** The command to run while this node leads. */
export interface CommandConfig {
  /** The program and its arguments. */
  argv: string[];
  onExit: typeof ON_EXIT[number];
  stopGraceMs: number;
}

/** The configuration of a node. */
export interface Config extends EtcdConfig {
  port: number;
  hostname: string;
  /** Default: `<host>:<port>`. */
  id?: string;
  /** In whole seconds. */
  ttl: number;
  /** Default: `http(s)://<host>:<port>`. */
  advertiseUrl?: string;
  priority: number;
  observe: boolean;
  command?: CommandConfig;
  watchdog: boolean;
  /** The bearer token for leadership transfers; they are disabled without one. */
  controlToken?: string;
  /** Certificate and private key for HTTPS, as PEM texts. */
  httpTls?: { cert: string; key: string };
  logFormat: LogFormat;
  logLevel: LogLevel;
}

/** The flags of a node. */
export const NODE_FLAGS = {
  "port": {
    value: "PORT",
    help: "HTTP port; 0 selects a free port",
    expected: "a port number from 0 to 65535",
    fallback: "8080",
  },
  "hostname": {
    value: "ADDRESS",
    help: "address to listen on for HTTP; :: are all, IPv4 included",
    expected: "an IP address or host name of this machine, such as 127.0.0.1 or ::",
    fallback: "::",
  },
  "http-cert": { value: "FILE", help: "serve HTTPS with this certificate (PEM)", expected: PEM_FILE },
  "http-key": { value: "FILE", help: "private key of --http-cert (PEM)", expected: PEM_FILE },
  ...ETCD_FLAGS,
  "id": {
    value: "ID",
    help: "unique name of this node (default: <host>:<port>)",
    expected: "a name of 1 to 200 characters on one line",
  },
  "ttl": {
    value: "SECONDS",
    help: "lease TTL: time until a crashed leader is replaced",
    expected: EXPECTED.ttl,
    fallback: String(DEFAULT_TTL),
  },
  "advertise-url": {
    value: "URL",
    help: "URL under which other nodes reach this node (default: http://<host>:<port>)",
    expected: "an http or https URL such as http://host-a:8080",
  },
  "priority": {
    value: "N",
    help: "handoff priority; the highest of the first 100 who wait becomes leader",
    expected: EXPECTED.priority,
    fallback: "0",
  },
  "on-exit": {
    value: ON_EXIT.join("|"),
    help: "what to do when the command exits on its own (default: exit)",
    expected: "exit, resign or restart",
  },
  "stop-grace": {
    value: "SECONDS",
    help: "time between SIGTERM and SIGKILL for the command (default: a fifth of the TTL)",
    expected: "seconds from 0 to 86400, such as 30",
  },
  "watchdog": {
    help: "second process that stops the command and frees leadership if this node dies (default: on with a command)",
    expected: SWITCH,
    negatable: true,
  },
  "control-token-file": {
    value: "FILE",
    help: "file with the token for POST /resign and /switchover; both are disabled without one",
    expected: "a readable file with a token of 8 characters or more",
  },
  "control-token": {
    help: "control token",
    expected: "a token of 8 characters or more, without spaces",
    secret: true,
    envOnly: true,
  },
  "observe": { help: "observe only, never become a candidate", expected: SWITCH },
  "log-format": {
    value: LOG_FORMATS.join("|"),
    help: "log format",
    expected: LOG_FORMATS.join(" or "),
    fallback: "text",
  },
  "log-level": {
    value: LOG_LEVELS.join("|"),
    help: "minimum level to log",
    expected: "debug, info, warn or error",
    fallback: "info",
  },
  "version": { help: "print the version and exit", expected: SWITCH, argOnly: true },
  "help": { help: "print this help and exit (also -h)", expected: SWITCH, argOnly: true },
} as const satisfies FlagTable<string>;

type Read = FlagValues<keyof typeof NODE_FLAGS>;

/**
 * Reads the configuration of a node. Everything after `--` is its command.
 *
 * @throws {UsageError} If an argument or a value is invalid.
 */
export function readNodeConfig(args: readonly string[], env: Env): Config | "help" | "version" {
  const end = args.indexOf("--");
  const argv = end < 0 ? undefined : args.slice(end + 1);
  const settings = readFlags(NODE_FLAGS, end < 0 ? args : args.slice(0, end), env, {
    expected: "flags, or a command after --",
  });
  const { read } = settings;
  if (read("help", parseSwitch)) return "help";
  if (read("version", parseSwitch)) return "version";
  const ttl = read("ttl", parseTtl)!;
  const observe = read("observe", parseSwitch) ?? false;
  const command = readCommand(settings, argv, ttl);
  if (observe && command) throw new UsageError("--observe cannot be used with a command: an observer never leads");
  return {
    ...readEtcdConfig(settings),
    port: read("port", parsePort)!,
    hostname: read("hostname", (text) => /^[\w.:%-]+$/.test(text) ? text : undefined)!,
    id: read("id", (text) => text.trim() !== "" && text.length <= 200 && isPrintable(text) ? text : undefined),
    ttl,
    advertiseUrl: read("advertise-url", parseUrl),
    priority: read("priority", (text) => checkPriority(/^-?\d+$/.test(text) ? Number(text) : NaN))!,
    observe,
    command,
    watchdog: read("watchdog", parseSwitch) ?? command !== undefined,
    controlToken: readControlToken(settings),
    httpTls: readHttpTls(settings),
    logFormat: read("log-format", (text) => LOG_FORMATS.find((known) => known === text))!,
    logLevel: read("log-level", (text) => LOG_LEVELS.find((known) => known === text))!,
  };
}

/** A day. */
const MAX_STOP_GRACE = 86_400;

function readCommand(
  { read, isSet }: Read,
  argv: readonly string[] | undefined,
  ttl: number,
): CommandConfig | undefined {
  const onExit = read("on-exit", (text) => ON_EXIT.find((known) => known === text)) ?? "exit";
  const stopGrace = read("stop-grace", (text) => {
    const seconds = /^\d+(\.\d+)?$/.test(text) ? Number(text) : NaN;
    return seconds <= MAX_STOP_GRACE ? seconds : undefined;
  }) ?? ttl / 5;
  if (argv) {
    if (argv.length === 0 || argv[0] === "") throw new UsageError("missing command after --");
    return { argv: [...argv], onExit, stopGraceMs: 1000 * stopGrace };
  }
  for (const name of ["on-exit", "stop-grace"] as const) {
    if (isSet(name)) throw new UsageError(`--${name} requires a command after --`);
  }
}

/** The control token, if one is set. */
export function readControlToken(
  { read, rank }: FlagValues<"control-token" | "control-token-file">,
): string | undefined {
  const usable = (text: string) => /^[\x21-\x7e]{8,}$/.test(text) ? text : undefined;
  return nearest([
    [rank("control-token"), () => read("control-token", usable)],
    [rank("control-token-file"), () => read("control-token-file", (path) => usable(readFile(path)?.trim() ?? ""))],
  ]);
}

function readHttpTls({ read }: Read): Config["httpTls"] {
  const [cert, key] = [read("http-cert", readPem), read("http-key", readPem)];
  if (cert && key) return { cert, key };
  if (cert || key) throw new UsageError("--http-cert and --http-key must be given together");
}

/** A TTL in whole seconds. */
export function parseTtl(text: string): number {
  return checkTtl(/^\d+$/.test(text) ? Number(text) : NaN);
}

function parsePort(text: string): number | undefined {
  return /^\d{1,5}$/.test(text) && Number(text) <= 65535 ? Number(text) : undefined;
}

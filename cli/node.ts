import type { Log, LogFields } from "../supervise/log.ts";
import { checkProgram } from "../supervise/program.ts";
import type { Supervisor } from "../supervise/supervisor.ts";
import type { Candidate, Election, ElectionEvent, Observation, Term } from "../election/mod.ts";
import type { Control } from "../http/mod.ts";
import { Face } from "../http/handler.ts";
import { serve } from "../http/server.ts";
import { createLog } from "./log.ts";
import type { Watchdog } from "../supervise/watchdog.ts";
import type { CommandConfig, Config } from "./node_flags.ts";
import { logEvent, logStates, Namesakes } from "./node_log.ts";
import { checkPrivileges, dropPrivileges } from "./privileges.ts";
import { onStopSignal } from "./signals.ts";

/** How long open requests may hold up the end. */
const HTTP_GRACE_MS = 1000;

/** Who asks already shall not wait for what takes long to load. */
const ANSWER_FIRST_MS = 4;

/** Why a node ends, and its exit code. */
interface Ending {
  readonly code: number;
  readonly because: LogFields;
}

/**
 * Runs a node until a signal or its command ends it, and gives the exit code.
 *
 * @throws {CommandError} If the command cannot be run.
 * @throws {ListenError} If HTTP cannot be served.
 */
export async function runNode(config: Config, version: string): Promise<number> {
  checkPrivileges(config);
  dropPrivileges(config);
  const ending = Promise.withResolvers<Ending>();
  onStopSignal((signal) => ending.resolve({ code: 0, because: { signal } }), () => supervisor?.kill());
  if (config.command) checkProgram(config.command.argv[0]!);
  let control: Control | undefined;
  let watchdog: Watchdog | undefined;
  let supervisor: Supervisor | undefined;
  const face = new Face({
    name: config.election,
    version,
    get id() {
      return id;
    },
    get url() {
      return url;
    },
    get command() {
      return supervisor?.status;
    },
    get watchdog() {
      return watchdog && { pid: watchdog.pid };
    },
    get control() {
      return control;
    },
  });
  const server = serve({
    port: config.port,
    hostname: config.hostname,
    tls: config.httpTls,
    handler: face.handler,
    onClose: () => face.close(),
    onError: (error) => log("error", "http-error", { message: String(error) }),
  });
  const host = ownHost(config.hostname);
  const id = config.id ?? `${host}:${server.port}`;
  const url = config.advertiseUrl ?? `${config.httpTls ? "https" : "http"}://${host}:${server.port}`;
  const log = createLog({ format: config.logFormat, level: config.logLevel, id });
  const mark = crypto.randomUUID();
  if (config.watchdog) watchdog = await startWatchdog(config, { id, url }, mark, log);
  if (config.command) supervisor = await supervise(config.command, config.ttl, mark, watchdog, log);
  log("info", "listening", { url, port: server.port });
  const namesake = new Namesakes(id, url);
  const { candidate, observer } = await enter(config, { id, url }, (event) => {
    logEvent(event, log);
    if (event.type === "queue-changed") namesake.seen(event.queue, log);
    if (watchdog) informWatchdog(watchdog, event, config);
    face.onEvent(event);
  });
  const election = candidate ?? observer;
  if (candidate && config.controlToken !== undefined) {
    control = {
      token: config.controlToken,
      resign: (options: { to?: Candidate }) => candidate.resign(options),
      told: (fields: LogFields) => log("info", "control", fields),
    };
  }
  log("info", config.observe ? "observing" : "joining", {
    election: config.election,
    endpoints: config.endpoints.join(","),
    ttl: config.ttl,
  });
  let stopping = false;
  const told = logStates(election, (level, event, fields) => {
    // A node that leaves has nothing to say of who leads.
    if (!stopping || event === "term-ended") log(level, event, fields);
  });
  const shown = face.show(election);
  const env = { LEADER_NODE_ELECTION: config.election, LEADER_NODE_ID: id, LEADER_NODE_URL: url };
  const worked = supervisor && candidate
    ? runCommand(candidate, supervisor, config.command!.onExit, env, (code) => {
      ending.resolve({ code, because: { code, message: "the command has ended" } });
    })
    : undefined;

  const { code, because } = await ending.promise;
  log("info", "stopping", because);
  stopping = true;
  await election.stop();
  await Promise.all([told, shown, worked, watchdog?.close()]);
  await server.close(HTTP_GRACE_MS);
  log("info", "stopped");
  return code;
}

/** Joins the election, or looks at it. What that needs is loaded only now: HTTP is served by then. */
async function enter(
  config: Config,
  self: { id: string; url: string },
  onEvent: (event: ElectionEvent) => void,
): Promise<{ candidate: Election; observer?: undefined } | { candidate?: undefined; observer: Observation }> {
  await new Promise((resolve) => setTimeout(resolve, ANSWER_FIRST_MS));
  const { Election, observe } = await import("../election/mod.ts");
  const { election: name, endpoints, transport, tls, user, ttl, command, priority } = config;
  const options = { name, endpoints, transport, tls, user, ttl, onEvent };
  if (config.observe) return { observer: observe(options) };
  const stopBudget = command && stopBudgetMs(command, ttl);
  return { candidate: new Election({ ...options, candidate: { ...self, priority }, stopBudget }) };
}

/** Runs the command in each term of the election, until that is over or the command's end is the node's. */
async function runCommand(
  election: Election,
  supervisor: Supervisor,
  onExit: CommandConfig["onExit"],
  env: Readonly<Record<string, string>>,
  end: (code: number) => void,
): Promise<void> {
  for await (const state of election) {
    if (state.role !== "leader") continue;
    const { term } = state;
    const [key] = term.guard;
    const token = String(term.token);
    const code = await supervisor.during(term, {
      ...env,
      LEADER_NODE_TOKEN: token,
      ETCD_LOCK_KEY: key,
      ETCD_LOCK_REV: token,
    });
    if (code === undefined) continue;
    if (onExit === "exit") return end(code);
    if (onExit === "resign") election.resign();
  }
}

// What needs much memory is loaded by those alone who use it.

async function supervise(
  { argv, onExit, stopGraceMs }: CommandConfig,
  ttl: number,
  mark: string,
  watchdog: Watchdog | undefined,
  log: Log,
): Promise<Supervisor> {
  const { Supervisor } = await import("../supervise/supervisor.ts");
  return new Supervisor({
    argv,
    mark,
    stopGraceMs,
    killBeforeMs: killBeforeMs(ttl),
    restart: onExit === "restart",
    hooks: {
      started(pid) {
        watchdog?.tell({ type: "command", pid });
        log("info", "command-started", { pid });
      },
      stopping(pid) {
        watchdog?.tell({ type: "command", pid, stopping: true });
        log("info", "command-stopping", { pid });
      },
      ended({ code, signal }, byItself) {
        watchdog?.tell({ type: "command" });
        log(byItself && code !== 0 ? "warn" : "info", "command-ended", { code, signal: signal ?? undefined });
      },
      failed: ({ message }) => log("error", "command-failed", { message }),
    },
  });
}

async function startWatchdog(
  config: Config,
  self: { id: string; url: string },
  mark: string,
  log: Log,
): Promise<Watchdog> {
  const { endpoints, transport, tls, user, ttl, logFormat: format, logLevel: level, command, priority } = config;
  const ttlMs = ttl * 1000;
  const node = {
    type: "node",
    self: { ...self, priority },
    endpoints,
    transport,
    tls,
    user,
    ttlMs,
    mark: command && mark,
    log: { format, level, id: self.id },
  } as const;
  const { Watchdog } = await import("../supervise/watchdog.ts");
  return new Watchdog(node, log);
}

function informWatchdog(watchdog: Watchdog, event: ElectionEvent, { command, ttl }: Config): void {
  if (event.type === "lease-granted") watchdog.tell({ type: "lease", id: event.leaseId.toString(16) });
  if (event.type === "queued") watchdog.tell({ type: "place", key: event.key, token: String(event.token) });
  if (event.type === "term-extended" && command) watchdog.tell(deadline(event.term, command, ttl));
}

/** By when the command must have ended; a little later than the node itself would see to it. */
function deadline(term: Term, command: CommandConfig, ttl: number) {
  const left = term.validFor();
  const stopMs = left - stopBudgetMs(command, ttl);
  return { type: "deadline", sentAt: Date.now(), stopMs, killMs: left - killBeforeMs(ttl) / 2 } as const;
}

/** Milliseconds that the command must have been dead for when its lease may end. */
function killBeforeMs(ttl: number): number {
  return 100 * ttl;
}

function stopBudgetMs({ stopGraceMs }: CommandConfig, ttl: number): number {
  return stopGraceMs + killBeforeMs(ttl);
}

/** The name under which others reach an address of this machine. */
function ownHost(hostname: string): string {
  if (["localhost", "127.0.0.1", "::1"].includes(hostname)) return "localhost";
  if (hostname === "0.0.0.0" || hostname === "::") return Deno.hostname();
  return hostname.includes(":") ? `[${hostname}]` : hostname;
}

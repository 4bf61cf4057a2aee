import type { Candidate, Election, ElectionEvent, ElectionView } from "../election/mod.ts";
import { NodeHandler, type NodeHandlerOptions } from "../http/handler.ts";
import type { CommandStatus, Control } from "../http/mod.ts";
import { type NodeServer, serve } from "../http/server.ts";
import { stopBudgetMs, watchdogDeadline } from "../supervise/budgets.ts";
import type { Log, LogFields } from "../supervise/log.ts";
import { checkProgram } from "../supervise/program.ts";
import type { Supervisor } from "../supervise/supervisor.ts";
import type { Watchdog } from "../supervise/watchdog.ts";
import { ownIdentity } from "./identity.ts";
import { createLog } from "./log.ts";
import type { Config } from "./node_flags.ts";
import { logEvent, logRefusals, logStates } from "./node_log.ts";
import { checkPrivileges, dropPrivileges } from "./privileges.ts";
import { onStopSignal } from "./signals.ts";

/** How long open requests may delay the exit. */
const HTTP_GRACE_MS = 1000;

/** Requests that are already waiting are served before the election modules, which are slow to load. */
const SERVE_FIRST_MS = 4;

/** Why a node ends, and its exit code. */
interface Ending {
  readonly code: number;
  readonly because: LogFields;
}

/**
 * Runs a node until a signal or its command ends it, and returns the exit code.
 *
 * @throws {CommandError} If the command cannot be run.
 * @throws {ListenError} If the HTTP port cannot be opened.
 */
export async function runNode(config: Config, version: string): Promise<number> {
  const node = new Node(config, version);
  return await node.run();
}

/** One node: HTTP, the election, and the command with its watchdog. */
class Node implements NodeHandlerOptions {
  readonly version: string;
  readonly #config: Config;
  readonly #ttlMs: number;
  /** Marks the processes of the command. */
  readonly #runId = crypto.randomUUID();
  readonly #handler: NodeHandler;
  readonly #ending = Promise.withResolvers<Ending>();
  #stopping = false;
  #id = "";
  #url = "";
  #log: Log = () => {};
  #server!: NodeServer;
  #watchdog: Watchdog | undefined;
  #supervisor: Supervisor | undefined;
  #control: Control | undefined;

  constructor(config: Config, version: string) {
    this.version = version;
    this.#config = config;
    this.#ttlMs = config.ttl * 1000;
    this.#handler = new NodeHandler(this);
  }

  // What the HTTP handler reads at each request.

  get name(): string {
    return this.#config.election;
  }

  get id(): string {
    return this.#id;
  }

  get url(): string {
    return this.#url;
  }

  get command(): CommandStatus | undefined {
    return this.#supervisor?.status;
  }

  get watchdog(): NodeHandlerOptions["watchdog"] {
    return this.#watchdog && { pid: this.#watchdog.pid };
  }

  get control(): Control | undefined {
    return this.#control;
  }

  async run(): Promise<number> {
    this.#prepare();
    this.#listen();
    await this.#startWatchdog();
    await this.#createSupervisor();
    const work = await this.#join();
    const { code, because } = await this.#ending.promise;
    await this.#stop(work, because);
    return code;
  }

  #prepare(): void {
    checkPrivileges(this.#config);
    dropPrivileges(this.#config);
    onStopSignal(
      (signal) => this.#ending.resolve({ code: 0, because: { signal } }),
      () => this.#supervisor?.kill(),
    );
    const { command } = this.#config;
    if (command) checkProgram(command.argv[0]!);
  }

  #listen(): void {
    const { port, hostname, httpTls, logFormat: format, logLevel: level } = this.#config;
    // Before the port is opened.
    ownIdentity(this.#config, port || 1, Deno.hostname);
    this.#server = serve({
      port,
      hostname,
      tls: httpTls,
      handler: this.#handler.handle,
      onClose: () => this.#handler.close(),
      onError: (error) => this.#log("error", "http-error", { message: String(error) }),
    });
    const { id, url } = ownIdentity(this.#config, this.#server.port, Deno.hostname);
    this.#id = id;
    this.#url = url;
    this.#log = createLog({ format, level, id: this.#id });
    this.#log("info", "listening", { url: this.#url, port: this.#server.port });
  }

  // Modules that take much memory are loaded only by nodes that use them.

  async #startWatchdog(): Promise<void> {
    const { watchdog, etcd, command, priority, logFormat: format, logLevel: level } = this.#config;
    if (!watchdog) return;
    const { Watchdog } = await import("../supervise/watchdog.ts");
    this.#watchdog = new Watchdog({
      type: "node",
      self: { id: this.#id, url: this.#url, priority },
      etcd,
      ttlMs: this.#ttlMs,
      runId: command && this.#runId,
      log: { format, level, id: this.#id },
    }, this.#log);
  }

  async #createSupervisor(): Promise<void> {
    const { command } = this.#config;
    if (!command) return;
    const { Supervisor } = await import("../supervise/supervisor.ts");
    this.#supervisor = new Supervisor({
      argv: command.argv,
      runId: this.#runId,
      stopGraceMs: command.stopGraceMs,
      ttlMs: this.#ttlMs,
      restart: command.onExit === "restart",
      hooks: {
        started: (pid) => {
          this.#watchdog?.send({ type: "command", pid });
          this.#log("info", "command-started", { pid });
        },
        stopping: (pid) => {
          this.#watchdog?.send({ type: "command", pid, stopping: true });
          this.#log("info", "command-stopping", { pid });
        },
        ended: ({ code, signal }, byItself) => {
          this.#watchdog?.send({ type: "command" });
          this.#log(byItself && code !== 0 ? "warn" : "info", "command-ended", { code, signal: signal ?? undefined });
        },
        failed: ({ message }) => this.#log("error", "command-failed", { message }),
      },
    });
  }

  /** Joins or observes the election. Its modules are loaded only now that HTTP is served. */
  async #join(): Promise<Work> {
    await new Promise((resolve) => setTimeout(resolve, SERVE_FIRST_MS));
    const { Election, observe } = await import("../election/mod.ts");
    const { election: name, etcd, ttl: ttlSeconds, command, priority, observe: observeOnly } = this.#config;
    const options = { name, ...etcd, ttlSeconds, onEvent: this.#eventHandler() };
    this.#log("info", observeOnly ? "observing" : "joining", {
      election: name,
      endpoints: etcd.endpoints.join(","),
      ttl: ttlSeconds,
    });
    if (observeOnly) return this.#follow(observe(options));
    const election = new Election({
      ...options,
      candidate: { id: this.#id, url: this.#url, priority },
      stopBudgetMs: command && stopBudgetMs(command.stopGraceMs, this.#ttlMs),
    });
    this.#allowControl(election);
    const work = this.#follow(election);
    return { ...work, commandEnded: this.#runCommand(election) };
  }

  #eventHandler(): (event: ElectionEvent) => void {
    return (event) => {
      logEvent(event, this.#log);
      this.#informWatchdog(event);
      this.#handler.onEvent(event);
    };
  }

  #informWatchdog(event: ElectionEvent): void {
    const watchdog = this.#watchdog;
    if (!watchdog) return;
    const { command } = this.#config;
    if (event.type === "lease-granted") watchdog.send({ type: "lease", id: event.leaseId.toString(16) });
    if (event.type === "queued") watchdog.send({ type: "place", key: event.key, token: String(event.token) });
    if (event.type === "term-extended" && command) {
      watchdog.send(watchdogDeadline(event.term, command.stopGraceMs, this.#ttlMs));
    }
  }

  /** Allows leadership transfers over HTTP, if there is a control token. */
  #allowControl(election: Election): void {
    const { controlToken: token } = this.#config;
    if (token === undefined) return;
    this.#control = {
      token,
      resign: (options: { to?: Candidate }) => election.resign(options),
      onRequest: (fields) => this.#log("info", "control", fields),
      onRefused: logRefusals(this.#log),
    };
  }

  /** Logs and serves the states of the election until it is stopped. */
  #follow(election: ElectionView): Work {
    const logged = logStates(election, (level, event, fields) => {
      // While stopping, log no more role changes.
      if (!this.#stopping || event === "term-ended") this.#log(level, event, fields);
    });
    return { election, logged, shown: this.#handler.show(election) };
  }

  /** Runs the command in each term, until the election is stopped or the exit of the command stops the node. */
  async #runCommand(election: Election): Promise<void> {
    const supervisor = this.#supervisor;
    if (!supervisor) return;
    const { election: name, command } = this.#config;
    for await (const state of election) {
      if (state.role !== "leader") continue;
      const { term } = state;
      const token = String(term.token);
      const code = await supervisor.during(term, {
        LEADER_NODE_ELECTION: name,
        LEADER_NODE_ID: this.#id,
        LEADER_NODE_URL: this.#url,
        LEADER_NODE_TOKEN: token,
        ETCD_LOCK_KEY: term.guard[0],
        ETCD_LOCK_REV: token,
      });
      if (code === undefined) continue;
      if (command!.onExit === "exit") {
        return this.#ending.resolve({ code, because: { code, message: "the command has ended" } });
      }
      if (command!.onExit === "resign") election.resign();
    }
  }

  async #stop({ election, logged, shown, commandEnded }: Work, because: LogFields): Promise<void> {
    this.#log("info", "stopping", because);
    this.#stopping = true;
    await election.stop();
    await Promise.all([logged, shown, commandEnded, this.#watchdog?.close()]);
    await this.#server.close(HTTP_GRACE_MS);
    this.#log("info", "stopped");
  }
}

/** The tasks that run until the election is stopped. */
interface Work {
  readonly election: ElectionView;
  readonly logged: Promise<void>;
  readonly shown: Promise<void>;
  readonly commandEnded?: Promise<void>;
}

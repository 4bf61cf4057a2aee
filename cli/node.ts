import { missingPermission } from "../election/internal.ts";
import type { Candidate, Election, ElectionEvent, ElectionView } from "../election/mod.ts";
import { NodeHandler, type NodeHandlerOptions } from "../http/handler.ts";
import type { CommandStatus, Control } from "../http/mod.ts";
import { type NodeServer, serve } from "../http/server.ts";
import { lostGraceMs, stopBudgetMs, watchdogDeadline } from "../supervise/budgets.ts";
import type { Log, LogFields } from "../supervise/log.ts";
import { checkProgram } from "../supervise/program.ts";
import type { Children } from "../supervise/children.ts";
import type { CommandHost } from "../supervise/command_host.ts";
import type { Supervisor } from "../supervise/supervisor.ts";
import { placeMessage } from "../supervise/place.ts";
import { PLATFORM } from "../supervise/platform.ts";
import type { Watchdog } from "../supervise/watchdog.ts";
import type { PlaceMessage } from "../supervise/watchdog_messages.ts";
import { etcdOptions } from "./etcd_files.ts";
import { ownIdentity } from "./identity.ts";
import { openLog } from "./log.ts";
import type { LogWriter } from "./log_writer.ts";
import type { Config } from "./node_flags.ts";
import { logControlRefusals, logEvent, logRefusals, logStates } from "./node_log.ts";
import { checkPrivileges, dropPrivileges } from "./privileges.ts";
import { onStopSignal } from "./signals.ts";

/** How long open requests may delay the exit. */
const HTTP_GRACE_MS = 1000;

/** How long a node that ends at once tries to kill its command. */
const DYING_MS = 500;
/** How often a line may tell that HTTP was interrupted. */
const INTERRUPTED_EVERY_MS = 10_000;

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
  readonly #handler: NodeHandler;
  readonly #ending = Promise.withResolvers<Ending>();
  #stopping = false;
  #id = "";
  #url = "";
  #log: Log = () => {};
  #logWriter: LogWriter | undefined;
  #server!: NodeServer;
  #watchdog: Watchdog | undefined;
  /** The node's place in the queue, as the watchdog knows it. */
  #place: PlaceMessage | undefined;
  #supervisor: Supervisor | undefined;
  #command: CommandHost | undefined;
  /** Of a node without a command, if there are any. */
  #children: Children | undefined;
  #control: Control | undefined;
  #interrupted: { readonly times: number; readonly loggedAt?: number } = { times: 0 };

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
    return this.#watchdog && { pid: this.#watchdog.informedPid, error: this.#watchdog.error };
  }

  get log(): NodeHandlerOptions["log"] {
    return this.#logWriter?.status;
  }

  get control(): Control | undefined {
    return this.#control;
  }

  async run(): Promise<number> {
    await this.#prepare();
    await this.#listen();
    await this.#hostCommand();
    await this.#startWatchdog();
    await this.#createSupervisor();
    const work = await this.#join();
    const { code, because } = await this.#ending.promise;
    await this.#stop(work, because);
    await this.#logWriter?.end();
    return code;
  }

  async #prepare(): Promise<void> {
    checkPrivileges(this.#config);
    onStopSignal(
      (signal) => this.#ending.resolve({ code: 0, because: { signal } }),
      () => this.#die(),
    );
    const { command } = this.#config;
    // Before the permission for that is dropped.
    if (!command) this.#children = (await import("../supervise/children.ts")).Children.inherited();
    dropPrivileges(this.#config);
    if (command) checkProgram(command.argv[0]!);
  }

  /** Ends at once: what still runs of the command is killed, as far as that is possible in a moment. */
  async #die(): Promise<void> {
    const left = await this.#supervisor?.kill(DYING_MS) ?? [];
    if (left.length > 0) {
      const message = "the command goes on: these processes could not be ended";
      this.#log("error", "command-goes-on", { pids: left.join(","), message });
    }
    await this.#logWriter?.end();
  }

  async #listen(): Promise<void> {
    const { port, hostname, httpTls, logFormat: format, logLevel: level } = this.#config;
    // Before the port is opened.
    ownIdentity(this.#config, port || 1, Deno.hostname);
    // Of Node.js, a promise.
    this.#server = await serve({
      port,
      hostname,
      tls: httpTls,
      handler: this.#handler.handle,
      onClose: () => this.#handler.close(),
      onError: (error) => this.#log("error", "http-error", { message: String(error) }),
      onInterrupted: (reason) => this.#logInterrupted(reason),
    });
    const { id, url } = ownIdentity(this.#config, this.#server.port, Deno.hostname);
    this.#id = id;
    this.#url = url;
    ({ log: this.#log, writer: this.#logWriter } = openLog({ format, level, id: this.#id }));
    this.#log("info", "listening", { url: this.#url, port: this.#server.port });
  }

  /** At most one line in ten seconds, with the number of interruptions since the last one. */
  #logInterrupted(reason: string): void {
    const { times, loggedAt = -Infinity } = this.#interrupted;
    const now = performance.now();
    const quiet = now - loggedAt < INTERRUPTED_EVERY_MS;
    this.#interrupted = quiet ? { times: times + 1, loggedAt } : { times: 0, loggedAt: now };
    if (quiet) return;
    const message = `${reason}: closed all connections, and listen again`;
    this.#log("warn", "http-interrupted", { times: times + 1, message });
  }

  // Modules that take much memory are loaded only by nodes that use them.

  async #hostCommand(): Promise<void> {
    if (!this.#config.command) return;
    const { CommandHost } = await import("../supervise/command_host.ts");
    this.#command = new CommandHost();
    if (this.#command.findsAll || !PLATFORM.isLinux) return;
    const message = "a daemon of the command that leaves its process group and empties its environment is not ended: " +
      "orphans cannot be adopted here, without calls of the C library";
    this.#log("warn", "orphans-not-adopted", { message });
  }

  async #startWatchdog(): Promise<void> {
    const { watchdog, etcd, priority, logFormat: format, logLevel: level } = this.#config;
    if (!watchdog) return;
    const { Watchdog } = await import("../supervise/watchdog.ts");
    this.#watchdog = new Watchdog(
      {
        type: "node",
        self: { id: this.#id, url: this.#url, priority },
        etcd,
        ttlMs: this.#ttlMs,
        command: this.#command?.facts,
        log: { format, level, id: this.#id },
      },
      this.#log,
      this.#command?.children ?? this.#children,
    );
  }

  async #createSupervisor(): Promise<void> {
    const { command } = this.#config;
    if (!command || !this.#command) return;
    const { Supervisor } = await import("../supervise/supervisor.ts");
    const lostMs = lostGraceMs(command.stopGraceMs, this.#ttlMs);
    if (lostMs < command.stopGraceMs) {
      const [grace, lost] = [command.stopGraceMs / 1000, Number((lostMs / 1000).toFixed(2))];
      const message = `if the lease is lost, the command has ${lost} s to end in: the TTL does not allow more`;
      this.#log("info", "stop-grace-limited", { grace, lost, message });
    }
    this.#supervisor = new Supervisor({
      argv: command.argv,
      launcher: this.#command.launcher(this.#watchdog),
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
        leftOver: (pids) => this.#log("info", "command-left-processes", { pids: pids.join(",") }),
        refused: (refusals) => logRefusals(refusals, this.#log),
        ended: ({ code, signal }, byItself) => {
          this.#watchdog?.send({ type: "command" });
          this.#log(byItself && code !== 0 ? "warn" : "info", "command-ended", { code, signal: signal ?? undefined });
        },
        failed: ({ message }) => {
          this.#server.freeFiles();
          this.#log("error", "command-failed", { message });
        },
      },
    });
  }

  /** Joins or observes the election. Its modules are loaded only now that HTTP is served. */
  async #join(): Promise<Work> {
    await new Promise((resolve) => setTimeout(resolve, SERVE_FIRST_MS));
    const { Election, observe } = await import("../election/mod.ts");
    const { election: name, etcd, ttl: ttlSeconds, command, priority, observe: observeOnly } = this.#config;
    const options = { name, ...etcdOptions(etcd), ttlSeconds, onEvent: this.#eventHandler() };
    this.#log("info", observeOnly ? "observing" : "joining", {
      election: name,
      endpoints: etcd.endpoints.join(","),
      ttl: ttlSeconds,
    });
    if (observeOnly) return this.#follow(observe(options));
    const election = new Election({
      ...options,
      candidate: { id: this.#id, url: this.#url, priority },
      // What cannot be ended is not handed over, however long that takes.
      drainMs: command && Infinity,
      stopBudgetMs: command && stopBudgetMs(command.stopGraceMs, this.#ttlMs),
    });
    this.#allowControl(election);
    const work = this.#follow(election);
    return { ...work, commandEnded: this.#runCommand(election) };
  }

  #eventHandler(): (event: ElectionEvent) => void {
    return (event) => {
      logEvent(event, this.#log);
      // A new connection to etcd may have failed for want of files.
      if (event.type === "etcd-failing" || event.type === "renewal-failed") {
        this.#server.freeFiles();
        // No retry helps.
        const message = missingPermission(event.message);
        if (message !== undefined) this.#ending.resolve({ code: 2, because: { code: 2, message } });
      }
      this.#informWatchdog(event);
      this.#handler.onEvent(event);
    };
  }

  #informWatchdog(event: ElectionEvent): void {
    if (event.type === "stop-changed") this.#supervisor?.stopTimeChanged();
    const watchdog = this.#watchdog;
    if (!watchdog) return;
    const { command } = this.#config;
    if (event.type === "lease-granted") watchdog.send({ type: "lease", id: event.leaseId.toString(16) });
    if (event.type === "queued") this.#tellPlace({ type: "place", key: event.key, token: String(event.token) });
    if (event.type === "queue-changed" && this.#place) this.#tellPlace(placeMessage(this.#place, event.queue));
    if ((event.type === "term-extended" || event.type === "stop-changed") && command) {
      watchdog.send(watchdogDeadline(event.term, command.stopGraceMs, this.#ttlMs, Date.now()));
    }
  }

  #tellPlace(place: PlaceMessage): void {
    if (JSON.stringify(place) === JSON.stringify(this.#place)) return;
    this.#place = place;
    this.#watchdog?.send(place);
  }

  /** Allows leadership transfers over HTTP, if there is a control token. */
  #allowControl(election: Election): void {
    const { controlToken: token } = this.#config;
    if (token === undefined) return;
    this.#control = {
      token,
      resign: (options: { to?: Candidate }) => election.resign(options),
      onRequest: (fields) => this.#log("info", "control", fields),
      onRefused: logControlRefusals(this.#log),
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
    const stopped = election.stop();
    // The next leader waits for what is on its way now.
    this.#log("info", "stopping", because);
    this.#stopping = true;
    await stopped;
    await Promise.all([logged, shown, commandEnded, this.#watchdog?.close()]);
    this.#command?.close();
    await this.#server.close(HTTP_GRACE_MS);
    this.#children?.[Symbol.dispose]();
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

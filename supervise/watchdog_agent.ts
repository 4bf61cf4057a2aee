import { Cgroup } from "./cgroup.ts";
import type { Children } from "./children.ts";
import { deadlineOf, guard, type Guarded } from "./guard.ts";
import { handoffOf } from "./place.ts";
import type { Log, LogOptions, OpenLog } from "./log.ts";
import type { EtcdSource } from "./etcd_source.ts";
import { EtcdLink, type EtcdOptions, EtcdStore, type Handoff, MAX_IDLE_MS, systemClock } from "../election/internal.ts";
import { ProcessTree, type Refusal } from "./process_tree.ts";
import { CommandError, spawnProgram } from "./program.ts";
import type {
  CommandFacts,
  KeyFacts,
  PlaceMessage,
  StartMessage,
  WatchdogAnswer,
  WatchdogMessage,
} from "./watchdog_messages.ts";

const REVOKE_TIMEOUT_MS = 1000;
const REVOKE_RETRY_MS = 100;
/** How long the revoke waits for the word why, some milliseconds as a rule. */
const MARK_PATIENCE_MS = 200;

type Node = WatchdogMessage & { type: "node" };

/** What a watchdog can do beyond watching. */
export interface AgentOptions {
  readonly openLog: (options: LogOptions) => OpenLog;
  readonly etcdOptions: (source: EtcdSource) => EtcdOptions;
  /** Answers the node. */
  readonly answer: (answer: WatchdogAnswer) => void;
  /** The processes below the watchdog, if it starts the command. */
  readonly children?: Children;
}

/** What a watchdog knows of its node, and does when the node cannot. */
export class WatchdogAgent {
  readonly #options: AgentOptions;
  #node: Node | undefined;
  #link: EtcdLink | undefined;
  #store: EtcdStore | undefined;
  #openLog: OpenLog | undefined;
  #lease: bigint | undefined;
  #place: PlaceMessage | undefined;
  #tree: ProcessTree | undefined;
  /** The tree of the last command that was started here. */
  #startedTree: ProcessTree | undefined;
  #guarded: Guarded = {};
  #timer: ReturnType<typeof setTimeout> | undefined;
  #pinging: ReturnType<typeof setInterval> | undefined;
  #nodeDied = false;

  constructor(options: AgentOptions) {
    this.#options = options;
  }

  readonly #log: Log = (...line) => this.#openLog?.log(...line);

  /** Takes a message of the node. */
  receive(message: WatchdogMessage): void {
    switch (message.type) {
      case "node":
        this.#node = message;
        this.#openLog = this.#options.openLog(message.log);
        this.#link = new EtcdLink(this.#options.etcdOptions(message.etcd));
        this.#store = new EtcdStore({ prefix: "/", self: message.self, ttlMs: message.ttlMs }, this.#link);
        this.#keepConnected(this.#store);
        this.#options.answer({ type: "ready" });
        break;
      case "lease":
        this.#lease = BigInt(`0x${message.id}`);
        break;
      case "place":
        this.#place = message;
        break;
      case "start":
        this.#start(message);
        break;
      case "command":
        this.#guarded = { pid: message.pid, stopping: message.stopping, deadline: this.#guarded.deadline };
        if (message.pid === undefined) this.#tree = undefined;
        else if (!this.#tree) this.#guard(message.pid);
        break;
      case "members":
        for (const pid of message.pids) this.#guard(pid);
        break;
      case "deadline":
        this.#guarded = { ...this.#guarded, deadline: deadlineOf(message, systemClock.now()) };
        break;
    }
    this.#check();
  }

  /** The node has died: its command ends first, then its lease, so that another node can lead at once. */
  async nodeDied(): Promise<void> {
    clearTimeout(this.#timer);
    clearInterval(this.#pinging);
    this.#nodeDied = true;
    if (!this.#node) return;
    const { command, ttlMs } = this.#node;
    const place = this.#place;
    const handoff = place && handoffOf(place);
    const marked = place && !handoff && say(this.#store!, place);
    // Without a tree nothing runs, as far as the node has told.
    const killed = this.#tree ? this.#kill(this.#tree, ttlMs) : Promise.resolve(true);
    this.#log("warn", "node-died", { message: `${command ? "killing its command and " : ""}giving its lease back` });
    const [allDead] = await Promise.all([killed, marked]);
    if (allDead) {
      if (handoff) await handOver(this.#store!, place, handoff);
      if (this.#lease !== undefined) await this.#revoke(this.#store!, this.#lease, ttlMs);
    }
    if (command?.cgroup) new Cgroup(command.cgroup).remove();
    await this.#link!.close();
  }

  /** Does nothing more, and waits a moment for the last lines of the log. */
  async end(): Promise<void> {
    clearInterval(this.#pinging);
    await this.#openLog?.end();
  }

  /** Starts the command, if the node still waits for it. */
  #start({ argv, env, sentAt, withinMs }: StartMessage): void {
    const { answer, children } = this.#options;
    const command = this.#node?.command;
    if (!children || !command || Date.now() - sentAt >= withinMs) return answer({ type: "late" });
    let child: Deno.ChildProcess;
    try {
      child = spawnProgram(argv, env);
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      const { message, exitCode, temporary } = error;
      return answer({ type: "failed", message, exitCode, temporary });
    }
    const { pid } = child;
    const exit = children.own(child);
    const tree = this.#tree = this.#startedTree = this.#newTree(command);
    children.onEnd = () => tree.poke();
    tree.add(pid);
    this.#guarded = { pid, deadline: this.#guarded.deadline };
    const started = () => answer({ type: "started", pid });
    if (command.cgroup === undefined) started();
    else new Cgroup(command.cgroup).add(pid).then(started);
    exit.then((exit) => answer({ type: "ended", pid, ...exit }));
  }

  /** Takes a process for one of the command that was not started here. */
  #guard(pid: number): void {
    const command = this.#node?.command;
    if (command) (this.#tree ??= this.#newTree(command)).add(pid);
  }

  #newTree({ mark, nodePid, former, cgroup }: CommandFacts): ProcessTree {
    const adopts = this.#options.children?.adopts ?? false;
    const tree: ProcessTree = new ProcessTree({
      mark,
      // What another watchdog started has come to the node.
      adopters: () => adopts ? [Deno.pid, nodePid] : [],
      foreign: () => [nodePid, ...former],
      // When the node dies, what was below it goes elsewhere, unless it was below this process.
      mayEscape: () => !adopts || (this.#nodeDied && tree !== this.#startedTree),
      cgroup: cgroup === undefined ? undefined : new Cgroup(cgroup),
    });
    return tree;
  }

  /**
   * A connection stands ready: to make one takes longer than all the rest, and one that is not used is closed or
   * forgotten. If etcd is away, there is time to connect later.
   */
  #keepConnected(store: EtcdStore): void {
    const ping = () => void store.ping(REVOKE_TIMEOUT_MS).catch(() => {});
    this.#pinging = setInterval(ping, MAX_IDLE_MS);
    ping();
  }

  /** Ends a command that the node lets run for too long. */
  #check(): void {
    clearTimeout(this.#timer);
    const { pid } = this.#guarded;
    const tree = this.#tree;
    if (!tree) return;
    const { guarded, signal, againMs } = guard(this.#guarded, systemClock.now());
    this.#guarded = guarded;
    if (signal === "SIGKILL") this.#kill(tree, Infinity);
    else if (signal) tree.signal(signal);
    const message = signal === "SIGKILL"
      ? "its command outlived its term; killed"
      : "it does not stop its command; sending SIGTERM";
    if (signal) this.#log("warn", "node-stuck", { pid, message });
    if (againMs !== undefined) this.#timer = setTimeout(() => this.#check(), againMs);
  }

  /** Kills all of a command; says whether nothing of it lives any more, at the latest after `withinMs`. */
  async #kill(tree: ProcessTree, withinMs: number): Promise<boolean> {
    const killed = tree.kill((refusals) => this.#reportRefusals(refusals)).then(() => true);
    if (withinMs === Infinity) return await killed;
    const late = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => late.resolve(false), withinMs);
    return await Promise.race([killed, late.promise]).finally(() => clearTimeout(timer));
  }

  #reportRefusals(refusals: readonly Refusal[]): void {
    for (const { pid, user, command } of refusals) {
      const message = "this user may not kill it: it goes on, and another node may begin when the lease has expired";
      this.#log("error", "command-not-killable", { pid, user, command, message });
    }
  }

  async #revoke(store: EtcdStore, lease: bigint, ttlMs: number): Promise<void> {
    const from = performance.now();
    // Later than that, the lease has ended by itself.
    while (performance.now() - from < ttlMs) {
      try {
        await store.revoke(lease, REVOKE_TIMEOUT_MS);
        this.#log("info", "lease-revoked", { lease: lease.toString(16) });
        break;
      } catch (error) {
        this.#log("debug", "etcd-failing", { message: String(error) });
        await new Promise((resolve) => setTimeout(resolve, REVOKE_RETRY_MS));
      }
    }
  }
}

/** Tells the others why the key goes; nothing depends on it. */
async function say(store: EtcdStore, { key, token }: KeyFacts): Promise<void> {
  await store.markLeaving(key, BigInt(token), "crashed", MARK_PATIENCE_MS).catch(() => {});
}

/** Does what a leader that leaves does last: whoever is next may lead at once then. */
async function handOver(store: EtcdStore, { key, token }: KeyFacts, handoff: Handoff): Promise<void> {
  // If the queue has changed meanwhile, the revocation does what is left.
  await store.withdraw(key, BigInt(token), REVOKE_TIMEOUT_MS, { leaving: "crashed", handoff }).catch(() => {});
}

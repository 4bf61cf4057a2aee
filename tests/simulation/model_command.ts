import type { Time } from "../../election/internal.ts";
import type { Term } from "../../election/mod.ts";
import { watchdogDeadline } from "../../supervise/budgets.ts";
import { deadlineOf, guard, type Guarded } from "../../supervise/guard.ts";
import type { CommandProcesses, Launched } from "../../supervise/launcher.ts";
import { Supervisor } from "../../supervise/supervisor.ts";
import type { WatchdogMessage } from "../../supervise/watchdog_messages.ts";
import type { ModelNode, Surroundings } from "./model_node.ts";

/** A way to break the rules on purpose: the simulation must find each. */
export type CommandSabotage =
  /** The watchdog does nothing at the deadline. */
  | "no-deadline"
  /** The watchdog revokes the lease of a dead node without waiting for the end of its command. */
  | "revoke-first"
  /** The command has its whole grace, whatever the lease says. */
  | "grace-only"
  /** The command is started however long that takes. */
  | "late-start";

/** How long it takes at most until a killed command has ended. */
const PROMPT_MS = 50;
const START_MS = 5000;
const RESTART_MS = 300;
const REVOKE_RETRY_MS = 100;

/** A command: it may ignore SIGTERM, or take its time. */
class ModelCommand {
  alive = true;
  readonly #world: Surroundings;
  readonly #endsWithinMs: number;
  readonly #onEnd: (() => void)[] = [];

  constructor(world: Surroundings, stopGraceMs: number) {
    const { random } = world;
    this.#world = world;
    this.#endsWithinMs = random.chance(0.4) ? Infinity : random.between(0, 2 * stopGraceMs);
    if (random.chance(0.2)) this.#endAfter(random.between(0, 5000));
  }

  signal(signal: "SIGTERM" | "SIGKILL"): void {
    this.#endAfter(signal === "SIGKILL" ? this.#world.random.between(0, PROMPT_MS) : this.#endsWithinMs);
  }

  /** As one process sees it, which has its own timers. */
  seenBy(time: Pick<Time, "after">): CommandProcesses {
    const pause = () => new Promise<void>((resolve) => time.after(0.1, resolve));
    const ended = (withinMs: number) =>
      new Promise<boolean>((resolve) => {
        const seen = () => time.after(0.1, () => resolve(true));
        if (this.alive) this.#onEnd.push(seen);
        else seen();
        if (withinMs < Infinity) time.after(withinMs, () => resolve(!this.alive));
      });
    return {
      members: [],
      isAlive: () => pause().then(() => this.alive),
      ended,
      signal: async (signal) => {
        await pause();
        if (signal === "SIGTERM" || signal === "SIGKILL") this.signal(signal);
        return [];
      },
      kill: async () => {
        this.signal("SIGKILL");
        await ended(Infinity);
      },
    };
  }

  #endAfter(ms: number): void {
    if (ms === Infinity) return;
    this.#world.schedule.after(ms, () => {
      this.alive = false;
      for (const tell of this.#onEnd.splice(0)) tell();
    });
  }
}

/** A watchdog process: the shipped decisions, and a pipe that holds messages up while it is frozen. */
class ModelWatchdog {
  readonly #host: CommandMachine;
  #guarded: Guarded = {};
  #lease: bigint | undefined;
  #arrives = 0;
  #waiting: (() => void)[] = [];
  #checks = 0;
  frozen = false;
  dead = false;

  constructor(host: CommandMachine) {
    this.#host = host;
  }

  /** Does something in this process: now, or when it goes on, or never. */
  run(what: () => void): void {
    if (this.dead) return;
    if (this.frozen || this.#host.asleep) this.#waiting.push(what);
    else {
      this.#host.world.settling = true;
      what();
    }
  }

  after(ms: number, what: () => void): () => void {
    this.#host.world.schedule.after(ms, () => this.run(what));
    return () => {};
  }

  goesOn(): void {
    if (this.frozen || this.#host.asleep) return;
    for (const what of this.#waiting.splice(0)) this.run(what);
  }

  /** Something that comes through the pipe, after all that was sent before. */
  pipe(what: () => void): void {
    const { schedule, random } = this.#host.world;
    this.#arrives = Math.max(this.#arrives, schedule.now + random.between(0.1, 3));
    schedule.after(this.#arrives - schedule.now, () => this.run(what));
  }

  receive(message: WatchdogMessage): void {
    this.pipe(() => {
      const now = this.#host.node.now();
      if (message.type === "lease") this.#lease = BigInt(`0x${message.id}`);
      if (message.type === "command") this.#guarded = { ...message, deadline: this.#guarded.deadline };
      if (message.type === "deadline") this.#guarded = { ...this.#guarded, deadline: deadlineOf(message, now) };
      this.#check();
    });
  }

  /** It has started the command. */
  began(pid: number): void {
    this.#guarded = { pid, deadline: this.#guarded.deadline };
    this.#check();
  }

  /** The pipe is closed. */
  nodeDied(): void {
    const { world, command, node } = this.#host;
    const lease = this.#lease;
    world.trace(`${node.id}'s watchdog kills its command`);
    const revoke = (triesMs: number) => {
      if (world.etcd.health !== "up" || !node.link.out) {
        if (triesMs > 0) this.after(REVOKE_RETRY_MS, () => revoke(triesMs - REVOKE_RETRY_MS));
      } else if (lease !== undefined) world.etcd.revoke(lease);
      if (triesMs <= 0 || world.etcd.health === "up") this.#host.watchdogEnded(this);
    };
    const begin = () => revoke(this.#host.ttlMs);
    command?.signal("SIGKILL");
    if (this.#host.sabotage === "revoke-first" || !command) begin();
    else command.seenBy(this).ended(Infinity).then(() => this.run(begin));
  }

  #check(): void {
    const checks = ++this.#checks;
    if (this.#host.sabotage === "no-deadline") return;
    const { guarded, signal, againMs } = guard(this.#guarded, this.#host.node.now());
    this.#guarded = guarded;
    if (signal) {
      this.#host.world.trace(`${this.#host.node.id}'s watchdog sends ${signal}`);
      this.#host.command?.signal(signal);
    }
    if (againMs !== undefined) this.after(Math.max(0.1, againMs), () => checks === this.#checks && this.#check());
  }
}

/** A node with a command and a watchdog, on one machine. */
export class CommandMachine {
  readonly node: ModelNode;
  readonly world: Surroundings;
  readonly ttlMs: number;
  readonly sabotage?: CommandSabotage;
  readonly #stopGraceMs: number;
  /** What a new watchdog must know. */
  readonly #last = new Map<string, WatchdogMessage>();
  #supervisor: Supervisor | undefined;
  /** The timers of the node's process, which end with it. */
  #time: Time;
  #life = 0;
  #watchdog: ModelWatchdog | undefined;
  #pids = 0;
  command: ModelCommand | undefined;
  asleep = false;
  #isGuarded = true;
  /** Whether the watchdog of a dead node has done its work. */
  #done = false;
  /** The last moment at which neither node nor watchdog could act. */
  unguardedAt = -Infinity;

  constructor(
    node: ModelNode,
    world: Surroundings,
    options: { ttlMs: number; stopGraceMs: number; sabotage?: CommandSabotage },
  ) {
    this.node = node;
    this.world = world;
    this.ttlMs = options.ttlMs;
    this.#stopGraceMs = options.stopGraceMs;
    this.sabotage = options.sabotage;
    this.#time = node;
    node.onEvent = (event) => {
      if (event.type === "lease-granted") this.#tell({ type: "lease", id: event.leaseId.toString(16) });
      if (event.type === "stop-changed") this.#supervisor?.stopTimeChanged();
      if (event.type === "term-extended" || event.type === "stop-changed") this.#tellDeadline(event.term);
    };
    node.work = async (term) => void await this.#supervisor!.during(term, {});
  }

  /** Whether its command runs at this moment. */
  get runs(): boolean {
    return this.command?.alive === true && !this.asleep;
  }

  /** Notes whether anybody can act now, after each moment at which something happened. */
  checkGuard(): void {
    const nodeActs = this.node.core !== undefined && !this.node.frozen;
    const watchdogActs = this.#watchdog ? !this.#watchdog.frozen : this.#done;
    if (!this.#isGuarded) this.unguardedAt = this.world.schedule.now;
    this.#isGuarded = !this.asleep && (nodeActs || watchdogActs);
  }

  /** Starts node and watchdog, once nothing of a former life is left. */
  start(): void {
    if (this.node.core || this.#watchdog || this.command?.alive) return;
    this.#last.clear();
    this.#watchdog = new ModelWatchdog(this);
    this.#done = false;
    const { node } = this;
    const life = ++this.#life;
    this.#time = {
      now: () => node.now(),
      after: (ms, run) => node.after(ms, () => life === this.#life && run()),
    };
    const ttlMs = this.sabotage === "grace-only" ? -Infinity : this.ttlMs;
    this.#supervisor = new Supervisor({
      argv: ["command"],
      launcher: { launch: (_argv, _env, mayStartForMs) => this.#launch(mayStartForMs) },
      stopGraceMs: this.#stopGraceMs,
      ttlMs,
      restart: true,
      time: this.#time,
      hooks: {
        started: (pid) => this.#tell({ type: "command", pid }),
        stopping: (pid) => this.#tell({ type: "command", pid, stopping: true }),
        leftOver() {},
        refused() {},
        ended: () => this.#tell({ type: "command" }),
        failed() {},
      },
    });
    this.node.start();
  }

  crash(): void {
    if (!this.node.core) return;
    this.node.crash();
    this.#life++;
    const watchdog = this.#watchdog;
    watchdog?.pipe(() => watchdog.nodeDied());
  }

  crashWatchdog(): void {
    if (!this.#watchdog || !this.node.core) return;
    this.#watchdog.dead = true;
    this.#watchdog = undefined;
    this.#time.after(RESTART_MS, () => this.#restartWatchdog());
  }

  /** Stops the node, the watchdog, both, or the whole machine for so long. */
  freeze(what: "node" | "watchdog" | "both" | "machine", ms: number): void {
    const watchdog = this.#watchdog;
    const sleep = what === "machine";
    if (!this.node.core || this.node.frozen || this.asleep) return;
    if (what !== "watchdog") this.node.freeze(sleep);
    this.asleep = sleep;
    if (watchdog && (what === "watchdog" || what === "both")) watchdog.frozen = true;
    this.world.schedule.after(ms, () => {
      if (sleep) this.asleep = false;
      if (watchdog) watchdog.frozen = false;
      watchdog?.goesOn();
      this.#watchdog?.goesOn();
      this.node.thaw();
    });
  }

  /** Called by the watchdog when it has nothing more to do. */
  watchdogEnded(watchdog: ModelWatchdog): void {
    watchdog.dead = true;
    if (this.#watchdog !== watchdog) return;
    this.#watchdog = undefined;
    this.#done = true;
  }

  #restartWatchdog(): void {
    this.#watchdog ??= new ModelWatchdog(this);
    for (const message of this.#last.values()) this.#watchdog.receive(message);
  }

  #tell(message: WatchdogMessage): void {
    this.#last.set(message.type, message);
    this.#watchdog?.receive(message);
  }

  #tellDeadline(term: Term): void {
    this.#tell(watchdogDeadline(term, this.#stopGraceMs, this.ttlMs, this.node.now().wall));
  }

  /** As the watchdog's launcher does. */
  async #launch(mayStartForMs: () => number): Promise<Launched | undefined> {
    const late = this.sabotage === "late-start";
    const withinMs = late ? START_MS : mayStartForMs();
    const watchdog = this.#watchdog;
    const time = this.#time;
    const sentAt = time.now().wall;
    const answer = Promise.withResolvers<number | undefined>();
    time.after(Math.max(0, withinMs), () => answer.resolve(undefined));
    watchdog?.pipe(() => {
      if (time.now().wall - sentAt >= withinMs) return;
      const pid = this.#begin();
      watchdog.began(pid);
      time.after(0.1, () => answer.resolve(pid));
    });
    let pid = watchdog ? await answer.promise : undefined;
    if (pid === undefined) {
      // It must not start it later, and what it has started ends first.
      this.crashWatchdog();
      await this.command?.seenBy(time).kill();
      if (!late && mayStartForMs() <= 0) return undefined;
      pid = this.#begin();
    }
    const tree = this.command!.seenBy(time);
    const exit = tree.ended(Infinity).then(() => ({ code: 0, signal: null }));
    return { pid, exit, tree, close() {} };
  }

  #begin(): number {
    this.world.trace(`${this.node.id}'s command begins`);
    this.command = new ModelCommand(this.world, this.#stopGraceMs);
    return ++this.#pids;
  }
}

import { stopBudgetMs } from "../../supervise/budgets.ts";
import { CommandMachine, type CommandSabotage } from "./model_command.ts";
import { ModelEtcd } from "./model_etcd.ts";
import { HEALTHY_LINK, ModelNode, type Surroundings } from "./model_node.ts";
import { Random } from "./random.ts";
import { Schedule } from "./schedule.ts";

/** How one run went. */
export interface CommandRunResult {
  /** What must never be, and was; absent if all went well. */
  readonly violation?: string;
  readonly trace: readonly string[];
  /** How many commands began. */
  readonly begun: number;
}

const FAULTS_MS = 30_000;
/** So long a machine may need, once its node or its watchdog can act again, to end what it could not end before. */
const RECOVERS_MS = 120;
/** How many turns of the microtask queue the longest chain of promises takes, and some more. */
const TURNS = 40;

class Violation extends Error {}

/** Nodes with commands and watchdogs, in a world of faults: two commands must not run at the same time. */
class CommandWorld implements Surroundings {
  readonly schedule = new Schedule();
  readonly random: Random;
  readonly etcd: ModelEtcd;
  readonly distanceMs = 0;
  readonly workEndsMs = 0;
  readonly fateOfCall = () => undefined;
  readonly lines: string[] = [];
  readonly #machines: CommandMachine[];
  readonly #ttlMs: number;
  peace = false;
  settling = true;
  begun = 0;

  constructor(seed: number, sabotage: CommandSabotage | undefined, traced: boolean) {
    this.random = new Random(seed);
    this.#traced = traced;
    this.etcd = new ModelEtcd(this.schedule, this.trace);
    this.etcd.onChange = () => this.#machines.forEach(({ node }) => node.pump());
    const ttlMs = this.#ttlMs = this.random.pick([2000, 3000, 5000]);
    const stopGraceMs = this.random.pick([0, 500, 10_000]);
    const settings = {
      candidate: true,
      prefix: "sim/",
      ttlMs,
      stopBudgetMs: stopBudgetMs(stopGraceMs, ttlMs),
      drainMs: Infinity,
    };
    this.#machines = ["a", "b", "c"].map((id) =>
      new CommandMachine(new ModelNode(id, settings, this), this, { ttlMs, stopGraceMs, sabotage })
    );
  }

  readonly #traced: boolean;
  readonly trace = (text: string) => {
    if (text.endsWith("command begins")) this.begun++;
    if (this.#traced) this.lines.push(`${(this.schedule.now / 1000).toFixed(4).padStart(9)}  ${text}`);
  };

  async run(): Promise<void> {
    const { random, schedule } = this;
    // Whoever has crashed is started again by its service manager.
    const keepRunning = () => {
      for (const machine of this.#machines) machine.start();
      schedule.after(random.between(200, 1000), keepRunning);
    };
    keepRunning();
    const faults = this.#faults().filter(() => random.chance(0.5));
    const restlessness = random.between(200, 3000);
    const next = () => {
      if (this.peace || faults.length === 0) return;
      random.pick(faults)();
      schedule.after(random.between(0, 2 * restlessness), next);
    };
    schedule.after(random.between(1000, 3000), next);
    await this.#until(FAULTS_MS);
    this.trace("-- peace");
    this.peace = true;
    if (this.etcd.health === "down") this.etcd.start();
    await this.#until(schedule.now + 6 * this.#ttlMs + 30_000);
    await this.#commandRuns();
  }

  /** In peace there is a command again and again, though it may end by itself. */
  async #commandRuns(): Promise<void> {
    const { schedule } = this;
    for (const end = schedule.now + 15_000; schedule.now < end;) {
      if (this.#machines.some(({ runs }) => runs)) return;
      await this.#until(schedule.now + 100);
    }
    throw new Violation("no command runs, though all faults are over");
  }

  async #until(end: number): Promise<void> {
    while (this.schedule.step(end)) {
      if (this.settling) { for (let turn = 0; turn < TURNS; turn++) await undefined; }
      this.settling = false;
      this.#check();
    }
  }

  #check(): void {
    const { now } = this.schedule;
    for (const machine of this.#machines) machine.checkGuard();
    const running = this.#machines.filter(({ runs, unguardedAt }) => runs && now - unguardedAt > RECOVERS_MS);
    if (running.length > 1) {
      throw new Violation(`the commands of ${running.map(({ node }) => node.id).join(" and ")} run at the same time`);
    }
  }

  #faults(): (() => void)[] {
    const { random, schedule, etcd } = this;
    const machine = () => random.pick(this.#machines);
    const fault = (text: string, what: (machine: CommandMachine, ms: number) => void) => () => {
      const chosen = machine();
      this.trace(`-- ${chosen.node.id}: ${text}`);
      what(chosen, random.between(50, 2.5 * this.#ttlMs));
    };
    const link = (text: string, change: (node: ModelNode) => void) =>
      fault(text, ({ node }, ms) => {
        change(node);
        schedule.after(ms, () => {
          Object.assign(node.link, HEALTHY_LINK);
          node.healed();
        });
      });
    const freeze = (what: "node" | "watchdog" | "both" | "machine") =>
      fault(`${what} freezes`, (chosen, ms) => chosen.freeze(what, ms));
    return [
      freeze("node"),
      freeze("node"),
      freeze("watchdog"),
      freeze("both"),
      freeze("machine"),
      fault("node is killed", (chosen) => chosen.crash()),
      fault("watchdog is killed", (chosen) => chosen.crashWatchdog()),
      link("is cut off", ({ link }) => link.out = link.in = false),
      link("is not heard", ({ link }) => link.out = false),
      link("loses messages", ({ link }) => link.loss = random.between(0.1, 0.7)),
      fault("resigns", ({ node }) => node.frozen || node.resign()),
      fault("has its wall clock set forward", ({ node }) => node.setWall(random.between(0, 10_000))),
      () => {
        if (etcd.health !== "up") return;
        this.trace("-- etcd stops");
        etcd.stop();
        schedule.after(random.between(50, 2 * this.#ttlMs), () => etcd.health === "down" && etcd.start());
      },
    ];
  }
}

/** Runs one seed. */
export async function runCommands(
  { seed, sabotage, trace = false }: {
    readonly seed: number;
    readonly sabotage?: CommandSabotage;
    readonly trace?: boolean;
  },
): Promise<CommandRunResult> {
  const world = new CommandWorld(seed, sabotage, trace);
  try {
    await world.run();
    return { trace: world.lines, begun: world.begun };
  } catch (error) {
    if (!(error instanceof Violation)) throw error;
    world.trace(`VIOLATION: ${error.message}`);
    return { violation: error.message, trace: world.lines, begun: world.begun };
  }
}

import * as machine from "../../election/machine/mod.ts";
import type { Candidate } from "../../election/machine/queue.ts";
import { type Backup, ModelEtcd } from "./model_etcd.ts";
import { MAX_DRAIN_MS, ModelNode, type Sabotage } from "./model_node.ts";
import { Random } from "./random.ts";
import { Schedule } from "./schedule.ts";

/** How one run is to be. */
export interface RunOptions {
  readonly seed: number;
  /** Breaks the rules on purpose. */
  readonly sabotage?: Sabotage;
  /** Keeps the trace. */
  readonly trace?: boolean;
}

/** How one run went. */
export interface RunResult {
  /** What must never be, and was; absent if all went well. */
  readonly violation?: string;
  readonly trace: readonly string[];
  /** How many terms there were. */
  readonly terms: number;
  /** How many steps were taken. */
  readonly steps: number;
  /** Overlaps after a key was taken away, by an operator or by etcd itself. */
  readonly taken: Overlaps;
}

/** How often two nodes led at the same time, and for how long at most. */
export interface Overlaps {
  readonly count: number;
  readonly longestMs: number;
}

const FAULTS_MS = 30_000;
/** How long a term that is over by the clock may go without its signal while the process runs. */
const SIGNAL_MS = 250;

/** How many turns of the microtask queue the longest chain of promises takes, and some more. */
const TURNS = 16;

/** A run takes some thousands; one that takes this many never ends. */
const MAX_STEPS = 200_000;

class Violation extends Error {}

/** One election in a world full of faults, then in peace. */
class World {
  readonly random: Random;
  readonly schedule = new Schedule();
  readonly etcd: ModelEtcd;
  readonly sabotage?: Sabotage;
  readonly distanceMs: number;
  readonly lines: string[] = [];
  readonly trace: (text: string) => void;
  readonly #nodes: ModelNode[];
  readonly #ttlMs: number;
  peace = false;
  settling = true;
  #lastTerm: { readonly token: bigint; readonly node: ModelNode } | undefined;
  readonly #terms = new Map<ModelNode, machine.Core["term"]>();
  /** Keys that an operator deleted, or that etcd lost, and when. */
  readonly #disowned = new Map<string, number>();
  #restored = false;
  #violation: Violation | undefined;
  readonly #overSince = new Map<ModelNode, number>();
  terms = 0;
  steps = 0;
  taken: Overlaps = { count: 0, longestMs: 0 };
  #overlapSince: number | undefined;

  constructor({ seed, sabotage, trace }: RunOptions) {
    this.random = new Random(seed);
    this.sabotage = sabotage;
    this.trace = trace
      ? (text) => this.lines.push(`${(this.schedule.now / 1000).toFixed(4).padStart(9)}  ${text}`)
      : () => {};
    this.etcd = new ModelEtcd(this.schedule, this.trace);
    this.etcd.onChange = () => this.#nodes.forEach((node) => node.pump());
    this.etcd.onTaken = (keys) => this.#disown(keys);
    this.etcd.renewsRevoked = this.random.chance(0.2);
    if (this.random.chance(0.2)) this.etcd.minTtlsMs = [2000, 4000];
    const { random } = this;
    this.distanceMs = random.chance(0.3) ? random.between(0, 60) : 0;
    this.#ttlMs = random.pick([2000, 3000, 5000]);
    const stopBudgetMs = random.pick([undefined, 0, this.#ttlMs / 4]);
    const drainMs = random.pick([0, 4000, Infinity]);
    const settings = { candidate: true, prefix: "sim/", ttlMs: this.#ttlMs, stopBudgetMs, drainMs };
    this.#nodes = Array.from({ length: random.pick([2, 3, 3, 4]) }, (_, index) => {
      const node = new ModelNode("abcd"[index]!, settings, this);
      node.onStep = () => this.#noting(() => this.#check(node));
      node.onDataLoss = () => {
        if (!this.#restored) this.#violation ??= new Violation(`${node.id} takes etcd's data for lost, and it is not`);
      };
      return node;
    });
  }

  async run(): Promise<void> {
    const { random, schedule } = this;
    for (const node of this.#nodes) schedule.after(random.between(0, 500), () => node.core ?? node.start());
    const kinds = this.#chooseFaults();
    const restlessness = random.between(300, 4000);
    const next = () => {
      if (this.peace) return;
      random.pick(kinds)();
      schedule.after(random.between(0, 2 * restlessness), next);
    };
    schedule.after(random.between(0, 2000), next);
    await this.#until(FAULTS_MS);
    this.#makePeace();
    // The faults are over when etcd has a leader again.
    while (this.etcd.health !== "up") await this.#until(schedule.now + 100);
    await this.#until(schedule.now + Math.max(this.#ttlMs, ...this.etcd.minTtlsMs) + 2000 + MAX_DRAIN_MS);
    this.#checkPeace();
    this.trace("all stop");
    for (const node of this.#nodes) node.stop();
    await this.#until(schedule.now + Math.max(this.#ttlMs, ...this.etcd.minTtlsMs) + 4000 + MAX_DRAIN_MS);
    this.#checkEnd();
  }

  async #until(end: number): Promise<void> {
    while (this.schedule.step(end)) {
      if (++this.steps > MAX_STEPS) throw new Violation("the nodes spin");
      // Promises of the participants settle before time goes on.
      if (this.settling) { for (let turn = 0; turn < TURNS; turn++) await undefined; }
      this.settling = false;
      if (this.#violation) throw this.#violation;
      for (const node of this.#nodes) this.#checkSignal(node);
      this.#countOverlap(this.#checkAlone((node) => node.holds || node.works));
    }
  }

  /** A world has some kinds of faults, not all: some bugs need few disturbances to show. */
  #chooseFaults(): (() => void)[] {
    const { random, schedule, etcd } = this;
    const node = () => random.pick(this.#nodes);
    const link = (change: (node: ModelNode) => void, back: (node: ModelNode) => void) => (chosen = node()) => {
      change(chosen);
      schedule.after(random.between(50, 2 * this.#ttlMs), () => {
        back(chosen);
        chosen.healed();
      });
    };
    const say = (text: string) => this.trace(`-- ${text}`);
    const isNotHeard = link((chosen) => {
      say(`${chosen.id} is not heard`);
      chosen.link.out = false;
    }, (chosen) => chosen.link.out = true);
    const freeze = (sleep: boolean) => () => {
      const chosen = node();
      if (!chosen.core || chosen.frozen) return;
      say(`${chosen.id} ${sleep ? "sleeps" : "freezes"}`);
      chosen.freeze(sleep);
      this.#overSince.delete(chosen);
      schedule.after(random.between(50, 2.5 * this.#ttlMs), () => {
        if (!chosen.frozen) return;
        say(`${chosen.id} ${sleep ? "wakes" : "thaws"}`);
        // Its network may take longer to come back.
        if (!this.peace && random.chance(0.3)) isNotHeard(chosen);
        chosen.thaw();
      });
    };
    const machineSleeps = freeze(true);
    let sleeps = false;
    const all: (() => void)[] = [
      freeze(false),
      machineSleeps,
      () => {
        const chosen = node();
        if (!chosen.core) return;
        say(`${chosen.id} crashes`);
        chosen.crash();
        schedule.after(random.between(10, 2 * this.#ttlMs), () => chosen.core ?? chosen.start());
      },
      link((chosen) => {
        say(`${chosen.id} is cut off`);
        chosen.link.out = chosen.link.in = false;
      }, (chosen) => chosen.link.out = chosen.link.in = true),
      isNotHeard,
      link((chosen) => {
        say(`${chosen.id} does not hear`);
        chosen.link.in = false;
      }, (chosen) => chosen.link.in = true),
      link((chosen) => {
        chosen.link.slowMs = random.pick([50, 500, 1500]);
        say(`${chosen.id} is up to ${chosen.link.slowMs} ms away`);
      }, (chosen) => chosen.link.slowMs = 0),
      link((chosen) => {
        chosen.link.lagMs = random.pick([10, 100, 900]);
        say(`${chosen.id}'s watch lags by ${chosen.link.lagMs} ms`);
      }, (chosen) => chosen.link.lagMs = 0),
      link((chosen) => {
        say(`${chosen.id}'s watch stalls`);
        chosen.link.stalled = true;
      }, (chosen) => chosen.link.stalled = false),
      link((chosen) => {
        say(`${chosen.id} loses messages`);
        chosen.link.loss = random.between(0.05, 0.6);
      }, (chosen) => chosen.link.loss = 0),
      () => {
        const chosen = node();
        say(`${chosen.id} loses its watch`);
        chosen.cutWatch();
      },
      () => {
        const chosen = node();
        // A clock set back and a sleep within one lease cannot be told from time that did not pass.
        const ms = random.pick([3_600_000, 7000, 1000, ...(sleeps ? [] : [-3_600_000, -1000])]);
        say(`${chosen.id} has its wall clock set by ${ms} ms`);
        chosen.setWall(ms);
      },
      () => {
        if (etcd.health !== "up") return;
        say("etcd stops");
        etcd.stop();
        schedule.after(random.between(50, 2 * this.#ttlMs), () => {
          if (etcd.health !== "down") return;
          say("etcd starts");
          etcd.start();
        });
      },
      () => {
        if (etcd.health !== "up") return;
        const backup = random.chance(0.5) ? etcd.backup() : undefined;
        schedule.after(random.between(0, 3 * this.#ttlMs), () => {
          if (etcd.health !== "up" || this.peace) return;
          say("etcd stops");
          etcd.stop();
          schedule.after(random.between(50, 2 * this.#ttlMs), () => {
            if (etcd.health === "down") this.#restore(backup);
          });
        });
      },
      () => {
        if (etcd.health !== "up") return;
        say("etcd loses its leader");
        etcd.loseLeader(random.between(0, 500), random.between(0, 3000));
      },
      () => {
        if (etcd.health !== "up") return;
        say("etcd's leader freezes");
        etcd.freezeLeader(random.between(0, 500), random.between(1000, 2 * this.#ttlMs), random);
      },
      () => {
        if (etcd.keys.length === 0 || etcd.health !== "up") return;
        const candidate = random.pick(etcd.keys);
        say(`an operator deletes ${candidate.key}`);
        this.#disown([candidate]);
        etcd.delete(candidate.key);
      },
      () => {
        if (etcd.leaseIds.length === 0 || etcd.health !== "up") return;
        const lease = random.pick(etcd.leaseIds);
        say(`an operator revokes ${lease.toString(16)}`);
        this.#disown(etcd.keysOf(lease));
        etcd.revoke(lease);
      },
      () => {
        say("etcd compacts");
        etcd.compact();
      },
      () => {
        const chosen = node();
        const to = random.chance(0.5) ? random.pick(etcd.keys.slice(1)) : undefined;
        say(`${chosen.id} resigns${to ? ` for ${to.id}` : ""}`);
        if (!chosen.frozen) chosen.resign(to?.token);
      },
      () => {
        const chosen = node();
        if (!chosen.core || chosen.frozen) return;
        say(`${chosen.id} stops`);
        chosen.stop();
        schedule.after(random.between(2000, 2 * this.#ttlMs), () => {
          if (!chosen.frozen && !this.peace) chosen.crash();
        });
        schedule.after(random.between(2 * this.#ttlMs, 3 * this.#ttlMs), () => chosen.core ?? chosen.start());
      },
    ];
    const chosen = all.filter(() => random.chance(0.35));
    sleeps = chosen.length === 0 || chosen.includes(machineSleeps);
    return chosen.length > 0 ? chosen : all;
  }

  /** etcd starts with older data. Whoever leads by a key that is lost cannot know it before it hears from etcd. */
  #restore(backup?: Backup): void {
    const before = this.etcd.keys;
    this.trace(`-- etcd starts with ${backup ? `the data of revision ${backup.revision}` : "no data"}`);
    this.etcd.restore(backup);
    this.#restored = true;
    this.#disown(before.filter(({ key }) => !this.etcd.keys.some((kept) => kept.key === key)));
    // Tokens begin again where the backup ends.
    this.#lastTerm = undefined;
    for (const node of this.#nodes) node.breakWatch();
  }

  #makePeace(): void {
    this.trace("-- peace");
    this.peace = true;
    if (this.etcd.health === "down") this.etcd.start();
    for (const node of this.#nodes) {
      Object.assign(node.link, { out: true, in: true, slowMs: 0, loss: 0, lagMs: 0, stalled: false });
      node.healed();
      node.thaw();
      if (node.core?.stopping) node.crash();
      if (!node.core) node.start();
    }
  }

  #check(node: ModelNode): void {
    this.#checkAlone((one) => one.leads || one.holds);
    const term = node.core?.term;
    if (term && term !== this.#terms.get(node)) this.#begin(node, term);
    this.#terms.set(node, term);
  }

  /** Whether several hold the lead; a violation, unless keys were taken away. */
  #checkAlone(holds: (node: ModelNode) => boolean): boolean {
    const holders = this.#nodes.filter(holds);
    if (holders.length <= 1) return false;
    const owners = holders.filter((node) => !this.#isDisowned(node));
    if (owners.length > 1) {
      throw new Violation(`${owners.map(({ id }) => id).join(" and ")} hold the lead at the same time`);
    }
    return true;
  }

  #countOverlap(overlaps: boolean): void {
    const { now } = this.schedule;
    const since = this.#overlapSince;
    this.#overlapSince = overlaps ? since ?? now : undefined;
    const { count, longestMs } = this.taken;
    if (overlaps && since === undefined) this.taken = { count: count + 1, longestMs };
    else if (since !== undefined) this.taken = { count, longestMs: Math.max(longestMs, now - since) };
  }

  /**
   * Whether an operator has taken the leader's key away and it cannot know yet: etcd gives the lead on at
   * once. That is the one overlap that a lease cannot rule out, and a TTL ends it even for one cut off.
   */
  #isDisowned(node: ModelNode): boolean {
    const lease = node.core && machine.leaseOf(node.core);
    const since = lease && this.#disowned.get(machine.keyOf(node.core!, lease.id));
    return since !== undefined && this.schedule.now - since <= this.#ttlMs;
  }

  #disown(keys: readonly Candidate[]): void {
    for (const { key } of keys) this.#disowned.set(key, this.schedule.now);
  }

  #begin(node: ModelNode, { token }: { readonly token: bigint }): void {
    this.terms++;
    const last = this.#lastTerm;
    // Only a term that was in doubt goes on with the same key, and so the same token.
    const disownedAt = this.#disowned.get(machine.keyOf(node.core!, machine.leaseOf(node.core!)!.id));
    if (disownedAt !== undefined) {
      if (this.schedule.now - disownedAt > this.#ttlMs) throw new Violation(`${node.id} leads by a key long gone`);
      return;
    }
    if (last && (token < last.token || (token === last.token && node !== last.node))) {
      throw new Violation(`${node.id} leads with token ${token} after ${last.node.id} did with ${last.token}`);
    }
    this.#lastTerm = { token, node };
  }

  /** What is thrown inside of a participant would be its own error. */
  #noting(check: () => void): void {
    try {
      check();
    } catch (error) {
      if (!(error instanceof Violation)) throw error;
      this.#violation ??= error;
    }
  }

  /** A term that the clock has overtaken must end soon, so that its signal fires. */
  #checkSignal(node: ModelNode): void {
    const over = node.core?.term !== undefined && !node.leads && !node.frozen;
    if (!over) return void this.#overSince.delete(node);
    const since = this.#overSince.get(node) ?? this.schedule.now;
    this.#overSince.set(node, since);
    if (this.schedule.now - since > SIGNAL_MS) throw new Violation(`the signal of ${node.id}'s term does not fire`);
  }

  #checkPeace(): void {
    const leader = this.#nodes.find((node) => node.leads);
    if (!leader) throw new Violation("nobody leads, though all faults are over");
    for (const node of this.#nodes) {
      if (node === leader) continue;
      const seen = machine.viewIsCurrent(node.core!, node.now()) ? machine.observedLeader(node.core!) : undefined;
      if (seen?.token !== leader.core!.term!.token) {
        throw new Violation(`${node.id} takes ${seen?.id ?? "nobody"} for the leader, which is ${leader.id}`);
      }
    }
    for (const { core, id } of this.#nodes) {
      const { campaign } = core!;
      if (campaign.stage === "queued" && !this.etcd.keys.some(({ token }) => token === campaign.token)) {
        throw new Violation(`${id} is a phantom: its key is gone, and it renews its lease`);
      }
    }
    for (const { id } of this.etcd.keys) {
      if (!this.#nodes.some((node) => node.id === id)) throw new Violation(`${id} is a stranger`);
    }
  }

  #checkEnd(): void {
    for (const node of this.#nodes) {
      const { stage } = node.core!.campaign;
      if (stage !== "off") throw new Violation(`${node.id} does not stop: it is ${stage}`);
      if (!node.stopped) throw new Violation(`${node.id} is off, and its stop does not resolve`);
    }
    if (this.etcd.keys.length > 0) throw new Violation(`keys are left: ${this.etcd.keys.map(({ key }) => key)}`);
  }
}

/** Runs one seed. */
export async function run(options: RunOptions): Promise<RunResult> {
  const world = new World(options);
  const result = (violation?: string) => {
    const { lines: trace, terms, steps, taken } = world;
    return { violation, trace, terms, steps, taken };
  };
  try {
    await world.run();
    return result();
  } catch (error) {
    if (!(error instanceof Violation)) throw error;
    world.trace(`VIOLATION: ${error.message}`);
    return result(error.message);
  }
}

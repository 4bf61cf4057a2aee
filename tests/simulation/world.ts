import { defaultStopBudgetMs, wallCheckMs } from "../../election/machine/deadline.ts";
import * as machine from "../../election/machine/mod.ts";
import type { Candidate } from "../../election/machine/queue.ts";
import { type Backup, ModelEtcd } from "./model_etcd.ts";
import { type Fate, HEALTHY_LINK, ModelNode, type Sabotage } from "./model_node.ts";
import type { Random } from "./random.ts";
import { Schedule } from "./schedule.ts";

/** What a world is made of. */
export interface WorldOptions {
  /** Decides all that is left to chance. */
  readonly random: Random;
  /** The number of nodes. */
  readonly nodes: number;
  readonly ttlMs: number;
  readonly stopBudgetMs?: number;
  readonly drainMs?: number;
  /** Milliseconds that every message takes at least. */
  readonly distanceMs?: number;
  /** How long the work of a term may take to end. */
  readonly workEndsMs: number;
  /** Whether the nodes take a lock again and again, instead of looping over an election. */
  readonly locks?: boolean;
  /** Breaks the rules on purpose. */
  readonly sabotage?: Sabotage;
  /** Keeps the trace. */
  readonly trace?: boolean;
  /** What becomes of each call, if anything out of the ordinary. */
  readonly fateOfCall?: (node: ModelNode) => Fate | undefined;
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

/** How often a node led beside another, and for how long at most. */
export interface Overlaps {
  readonly count: number;
  readonly longestMs: number;
}

/** How much longer than a leader's clocks go unwatched a term that is over may go without its signal. */
const SIGNAL_MS = 150;

/** How many turns of the microtask queue the longest chain of promises takes, and some more. */
const TURNS = 16;

/** A run takes some thousands; one that takes this many never ends. */
const MAX_STEPS = 200_000;

class Violation extends Error {}

/** One election in a story full of faults, then in peace. */
export class World {
  readonly random: Random;
  readonly schedule = new Schedule();
  readonly etcd: ModelEtcd;
  readonly sabotage?: Sabotage;
  readonly distanceMs: number;
  readonly lines: string[] = [];
  readonly trace: (text: string) => void;
  readonly nodes: readonly ModelNode[];
  readonly ttlMs: number;
  readonly fateOfCall: (node: ModelNode) => Fate | undefined;
  readonly workEndsMs: number;
  readonly locks: boolean;
  readonly #stopBudgetMs: number;
  peace = false;
  settling = true;
  #lastTerm: { readonly token: bigint; readonly node: ModelNode } | undefined;
  readonly #terms = new Map<ModelNode, machine.Core["term"]>();
  /** Keys that an operator deleted, or that etcd lost, and when. */
  readonly #disowned = new Map<string, number>();
  /** Nodes that led when data were restored in which another key stands before theirs, and when. */
  readonly #outranked = new Map<ModelNode, number>();
  #restored = false;
  #violation: Violation | undefined;
  readonly #overSince = new Map<ModelNode, number>();
  terms = 0;
  steps = 0;
  taken: Overlaps = { count: 0, longestMs: 0 };
  readonly #overlapSince = new Map<ModelNode, number>();

  /** Called after each step of a node that did something. */
  onDecision = (_node: ModelNode) => {};

  constructor(options: WorldOptions) {
    this.random = options.random;
    this.sabotage = options.sabotage;
    this.distanceMs = options.distanceMs ?? 0;
    this.ttlMs = options.ttlMs;
    this.fateOfCall = options.fateOfCall ?? (() => undefined);
    this.workEndsMs = options.workEndsMs;
    this.locks = options.locks ?? false;
    this.trace = options.trace
      ? (text) => this.lines.push(`${(this.schedule.now / 1000).toFixed(4).padStart(9)}  ${text}`)
      : () => {};
    this.etcd = new ModelEtcd(this.schedule, this.trace);
    this.etcd.onChange = () => this.nodes.forEach((node) => node.pump());
    this.etcd.onTaken = (keys) => this.disown(keys);
    // Where etcd has gone back in time, a new key can be like one that was lost.
    this.etcd.onCreated = ({ key, token }) => this.#disowned.delete(`${key} ${token}`);
    const { ttlMs, stopBudgetMs, drainMs } = options;
    this.#stopBudgetMs = stopBudgetMs ?? defaultStopBudgetMs(ttlMs);
    const settings = { candidate: true, prefix: "sim/", ttlMs, stopBudgetMs, drainMs };
    this.nodes = Array.from({ length: options.nodes }, (_, index) => {
      const node = new ModelNode("abcd"[index]!, settings, this);
      node.onStep = (acted) => {
        this.#noting(() => this.#check(node));
        if (acted) this.onDecision(node);
      };
      node.onTwoBodies = () => this.#violation ??= new Violation(`${node.id} works for two terms at once`);
      node.onDataLoss = () => {
        if (!this.#restored) this.#violation ??= new Violation(`${node.id} takes etcd's data for lost, and it is not`);
      };
      return node;
    });
  }

  /** Runs a story that began on the schedule for so long, then without faults: somebody must lead, and all must stop. */
  async run(storyMs: number): Promise<RunResult> {
    try {
      await this.#run(storyMs);
      return this.#result();
    } catch (error) {
      if (!(error instanceof Violation)) throw error;
      this.trace(`VIOLATION: ${error.message}`);
      return this.#result(error.message);
    }
  }

  #result(violation?: string): RunResult {
    const { lines: trace, terms, steps, taken } = this;
    return { violation, trace, terms, steps, taken };
  }

  async #run(storyMs: number): Promise<void> {
    const { schedule, etcd } = this;
    await this.#until(storyMs);
    this.#makePeace();
    while (!etcd.isSettled) await this.#until(schedule.now + 100);
    const expiresMs = Math.max(this.ttlMs, ...etcd.minTtlsMs) + this.workEndsMs;
    await this.#until(schedule.now + expiresMs + 2000);
    if (this.locks) await this.#checkLocks(2 * expiresMs);
    else this.#checkPeace();
    this.trace("all stop");
    for (const node of this.nodes) node.stop();
    await this.#until(schedule.now + expiresMs + 4000);
    this.#checkEnd();
  }

  async #until(end: number): Promise<void> {
    while (this.schedule.step(end)) {
      if (++this.steps > MAX_STEPS) throw new Violation("the nodes spin");
      // Promises of the participants settle before time goes on.
      if (this.settling) { for (let turn = 0; turn < TURNS; turn++) await undefined; }
      this.settling = false;
      if (this.#violation) throw this.#violation;
      for (const node of this.nodes) this.#checkSignal(node);
      this.#countOverlaps(this.#checkAlone((node) => node.holds || node.works));
    }
  }

  say(text: string): void {
    this.trace(`-- ${text}`);
  }

  /** Stops a process; with `sleep`, its machine too. */
  freeze(node: ModelNode, sleep: boolean): void {
    node.freeze(sleep);
    this.#overSince.delete(node);
  }

  /** etcd starts with older data. Whoever leads by a key that is lost cannot know it before it hears from etcd. */
  restore(backup?: Backup): void {
    const before = this.etcd.keys;
    this.trace(`-- etcd starts with ${backup ? `the data of revision ${backup.revision}` : "no data"}`);
    this.etcd.restore(backup);
    this.#restored = true;
    // A second restoration may bring back what the first one has lost.
    for (const { key, token } of this.etcd.keys) this.#disowned.delete(`${key} ${token}`);
    this.disown(before.filter(({ key }) => !this.etcd.keys.some((kept) => kept.key === key)));
    // A leader whose key is now behind a restored one cannot know that yet either.
    const first = this.etcd.keys[0]?.token;
    for (const node of this.nodes) {
      const campaign = node.core?.campaign;
      const leads = node.holds || node.works;
      if (leads && campaign && "token" in campaign && campaign.token !== first) {
        this.#outranked.set(node, this.schedule.now);
      }
    }
    // Tokens begin again where the backup ends.
    this.#lastTerm = undefined;
    for (const node of this.nodes) node.breakWatch();
  }

  #makePeace(): void {
    this.trace("-- peace");
    this.peace = true;
    if (this.etcd.health === "down") this.etcd.start();
    for (const node of this.nodes) {
      Object.assign(node.link, HEALTHY_LINK);
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

  /** The nodes that lead beside another one because their keys were taken away. Two that lead otherwise are a violation. */
  #checkAlone(holds: (node: ModelNode) => boolean): readonly ModelNode[] {
    const holders = this.nodes.filter(holds);
    if (holders.length <= 1) return [];
    const owners = holders.filter((node) => !this.#isDisowned(node));
    if (owners.length > 1) throw new Violation(`${owners.map(({ id }) => id).join(" and ")} lead at the same time`);
    return holders.filter((node) => !owners.includes(node));
  }

  /** Counts for each node on its own: another may be deposed before the first one knows. */
  #countOverlaps(deposed: readonly ModelNode[]): void {
    const { now } = this.schedule;
    for (const node of this.nodes) {
      const since = this.#overlapSince.get(node);
      const { count, longestMs } = this.taken;
      if (since !== undefined) this.taken = { count, longestMs: Math.max(longestMs, now - since) };
      if (!deposed.includes(node)) this.#overlapSince.delete(node);
      else if (since === undefined) {
        this.#overlapSince.set(node, now);
        this.taken = { count: count + 1, longestMs };
      }
    }
  }

  /**
   * Whether an operator has taken the leader's key away and it cannot know yet: etcd gives the lead on at
   * once. That is the one overlap that a lease cannot rule out, and a TTL ends it even for one cut off.
   */
  #isDisowned(node: ModelNode): boolean {
    const since = Math.max(this.#disownedAt(node) ?? -Infinity, this.#outranked.get(node) ?? -Infinity);
    return this.schedule.now - since <= this.ttlMs;
  }

  /** When the key of a node was taken away, if it was. Whoever created it anew meanwhile has another token. */
  #disownedAt({ core }: ModelNode): number | undefined {
    const campaign = core?.campaign;
    if (!campaign || !("token" in campaign)) return undefined;
    return this.#disowned.get(`${machine.keyOf(core, campaign.lease.id)} ${campaign.token}`);
  }

  /** Somebody takes keys away: who led by one cannot know yet. */
  disown(keys: readonly Candidate[]): void {
    for (const { key, token } of keys) this.#disowned.set(`${key} ${token}`, this.schedule.now);
  }

  #begin(node: ModelNode, { token }: { readonly token: bigint }): void {
    this.terms++;
    const last = this.#lastTerm;
    // Only a term that was in doubt goes on with the same key, and so the same token.
    const disownedAt = this.#disownedAt(node);
    if (disownedAt !== undefined) {
      if (this.schedule.now - disownedAt > this.ttlMs) throw new Violation(`${node.id} leads by a key long gone`);
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

  /** A term that the clock has overtaken must end soon, so that its signal fires, if anybody depends on that. */
  #checkSignal(node: ModelNode): void {
    const over = node.core?.term !== undefined && node.termIsUsed && !node.leads && !node.frozen;
    if (!over) return void this.#overSince.delete(node);
    const since = this.#overSince.get(node) ?? this.schedule.now;
    this.#overSince.set(node, since);
    if (this.schedule.now - since > SIGNAL_MS + wallCheckMs(this.#stopBudgetMs)) {
      throw new Violation(`the signal of ${node.id}'s term does not fire`);
    }
  }

  #checkPeace(): void {
    const leader = this.nodes.find((node) => node.leads);
    if (!leader) throw new Violation("nobody leads, though all faults are over");
    for (const node of this.nodes) {
      if (node === leader) continue;
      const seen = machine.viewIsCurrent(node.core!, node.now()) ? machine.observedLeader(node.core!) : undefined;
      if (seen?.token !== leader.core!.term!.token) {
        throw new Violation(`${node.id} takes ${seen?.id ?? "nobody"} for the leader, which is ${leader.id}`);
      }
    }
    for (const { core, id } of this.nodes) {
      const { campaign } = core!;
      if (campaign.stage !== "queued") continue;
      const own = this.etcd.keys.find(({ token }) => token === campaign.token);
      if (!own) throw new Violation(`${id} is a phantom: its key is gone, and it renews its lease`);
      const [shown, meant] = [own.meta, core!.settings.self.meta].map((meta) => meta?.count);
      if (shown !== meant) throw new Violation(`${id} is shown as ${shown}, and calls itself ${meant}`);
    }
    for (const { id } of this.etcd.keys) {
      if (!this.nodes.some((node) => node.id === id)) throw new Violation(`${id} is a stranger`);
    }
  }

  /** The lock goes round. */
  async #checkLocks(withinMs: number): Promise<void> {
    const before = this.terms;
    await this.#until(this.schedule.now + withinMs);
    if (this.terms - before < 2) throw new Violation("the lock does not go round, though all faults are over");
  }

  #checkEnd(): void {
    for (const node of this.nodes) {
      const { stage } = node.core!.campaign;
      if (stage !== "off") throw new Violation(`${node.id} does not stop: it is ${stage}`);
      if (!node.stopped) throw new Violation(`${node.id} is off, and its stop does not resolve`);
    }
    if (this.etcd.keys.length > 0) throw new Violation(`keys are left: ${this.etcd.keys.map(({ key }) => key)}`);
  }
}

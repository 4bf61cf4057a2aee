import type { StoreFailure } from "../../election/machine/types.ts";
import type { Clock, Instant } from "../../election/machine/clock.ts";
import { callTimeoutMs, remaining } from "../../election/machine/deadline.ts";
import * as machine from "../../election/machine/mod.ts";
import { applyChanges, type Queue } from "../../election/machine/queue.ts";
import { StoreError, type StoreNotice } from "../../election/store.ts";
import type { ModelEtcd } from "./model_etcd.ts";
import type { Random } from "./random.ts";
import type { Schedule } from "./schedule.ts";

/** A way to break the stop rule on purpose: the simulation must find each. */
export type Sabotage =
  /** The lease counts from when the answer came, not from when the renewal was sent. */
  | "count-from-answer"
  /** Only the monotonic clock is read, which stands still while the machine sleeps. */
  | "one-clock"
  /** To be first in the watched queue is enough: etcd is not asked. */
  | "lead-on-watch"
  /** A lease that ran out is kept, and led on again if etcd renews it. */
  | "keep-lapsed";

/** How long work may take to end. */
export const MAX_DRAIN_MS = 6000;

/** The way between a node and etcd. */
export interface Link {
  /** Whether what the node sends gets through. */
  out: boolean;
  /** Whether what etcd sends gets through. */
  in: boolean;
  /** Milliseconds that a message takes on top of the usual. */
  slowMs: number;
  /** How often a message is lost, and a request delivered twice. */
  loss: number;
}

/** What the nodes live in. */
export interface Surroundings {
  readonly schedule: Schedule;
  readonly random: Random;
  readonly etcd: ModelEtcd;
  readonly trace: (text: string) => void;
  readonly sabotage?: Sabotage;
  /** Milliseconds that every message takes at least. */
  readonly distanceMs: number;
  /** Whether all faults are over. */
  readonly peace: boolean;
}

interface Watch {
  readonly generation: number;
  /** The last revision that was sent. */
  sent: bigint;
  /** The queue at that revision. */
  queue: Queue;
  /** Whether etcd has forgotten it. */
  broken?: boolean;
  /** When the last message arrives: none may overtake it. */
  arrives: number;
  /** What etcd has sent and the link has not let through yet. */
  readonly held: (() => void)[];
}

/** The real decisions of one node, in a process that can freeze and crash, on a machine with clocks of its own. */
export class ModelNode implements Clock {
  readonly id: string;
  readonly link: Link = { out: true, in: true, slowMs: 0, loss: 0 };
  readonly #world: Surroundings;
  readonly #settings: Omit<machine.MachineSettings, "self">;
  readonly #rate: number;
  readonly #priority: number;
  readonly #monotonicAtBirth: number;
  #wallOffset: number;
  #sleptMs = 0;
  #sleepsSince: number | undefined;
  #life = 0;
  #core: machine.Core | undefined;
  #frozen = false;
  #deferred: { readonly timer: boolean; readonly run: () => void }[] = [];
  #watch: Watch | undefined;
  #tickAt = Infinity;
  /** Whether there was work to end when it began to drain: one who only waited has none. */
  #worked = false;
  /** Told after each step. */
  onStep = () => {};
  /** Called when the node finds that etcd has lost its data. */
  onDataLoss = () => {};

  constructor(id: string, settings: Omit<machine.MachineSettings, "self">, world: Surroundings) {
    this.id = id;
    this.#settings = settings;
    this.#world = world;
    this.#priority = world.random.pick([0, 0, 1, 2]);
    this.#rate = world.random.between(0.99, 1.01);
    this.#monotonicAtBirth = world.random.between(0, 1e6);
    this.#wallOffset = world.random.between(0, 1e9);
  }

  get core(): machine.Core | undefined {
    return this.#core;
  }

  get frozen(): boolean {
    return this.#frozen;
  }

  /** Whether the node would say at this moment that it leads. */
  get leads(): boolean {
    return this.#core !== undefined && machine.leads(this.#core, this.now());
  }

  /** Whether work for a term may still be going on here: it leads, or has until its lease may end to stop. */
  get holds(): boolean {
    if (!this.#core) return false;
    const { campaign } = this.#core;
    if (campaign.stage !== "draining") return machine.termRemaining(this.#core, this.now()) > 0;
    return this.#worked && !campaign.drained && machine.drainRemaining(this.#core, this.now()) > 0;
  }

  now(): Instant {
    const { now } = this.#world.schedule;
    const slept = this.#sleptMs + (this.#sleepsSince === undefined ? 0 : now - this.#sleepsSince);
    const monotonic = this.#monotonicAtBirth + (now - slept) * this.#rate;
    const wall = this.#world.sabotage === "one-clock" ? monotonic : this.#wallOffset + now * this.#rate;
    return { monotonic, wall };
  }

  /** Starts the process. */
  start(): void {
    this.#life++;
    this.#core = machine.start({ ...this.#settings, self: { id: this.id, priority: this.#priority } }, this.now());
    this.dispatch({ type: "tick" });
  }

  crash(): void {
    this.#life++;
    this.#core = undefined;
    this.#watch = undefined;
    this.#deferred = [];
    this.#frozen = false;
    this.#tickAt = Infinity;
    this.#wake();
  }

  /** Stops the process; with `sleep`, the machine and its monotonic clock too. */
  freeze(sleep: boolean): void {
    if (this.#frozen) return;
    this.#frozen = true;
    if (sleep) this.#sleepsSince = this.#world.schedule.now;
  }

  thaw(): void {
    if (!this.#frozen) return;
    this.#frozen = false;
    this.#wake();
    const waiting = this.#deferred.splice(0);
    // An event loop that comes back may see its timers first, or its sockets.
    const timersFirst = this.#world.random.chance(0.5);
    for (const first of [timersFirst, !timersFirst]) {
      for (const { timer, run } of waiting) if (timer === first) run();
    }
    this.onStep();
  }

  /** Somebody sets the wall clock. */
  setWall(byMs: number): void {
    this.#wallOffset += byMs;
  }

  dispatch(event: machine.MachineEvent): void {
    if (!this.#core) return;
    const now = this.now();
    const before = this.#world.sabotage === "keep-lapsed" ? withoutLapse(this.#core, now) : this.#core;
    const { core, actions } = machine.step(before, event, now);
    this.#core = core;
    if (core.campaign.stage === "draining" && before.campaign.stage !== "draining") {
      this.#worked = machine.termRemaining(before, this.now()) > 0;
    }
    if (before.term !== core.term) {
      this.#world.trace(`${this.id}: ${core.term ? `leads with ${core.term.token}` : `term ended, ${core.ended}`}`);
    }
    for (const action of actions) this.#perform(action);
    if (this.#world.sabotage === "lead-on-watch") this.#claim();
    this.#armTick();
    this.onStep();
  }

  /** etcd has new revisions: they go to this node's watch, if it has one. */
  pump(): void {
    const watch = this.#watch;
    const { etcd } = this.#world;
    if (!watch || watch.broken) return;
    const news = etcd.since(watch.sent);
    watch.sent = etcd.revision;
    if (!news) return this.#lose(watch, "compacted");
    for (const { changes, revision } of news) {
      watch.queue = applyChanges(watch.queue, changes);
      this.#tell(watch, { type: "changed", queue: watch.queue, revision });
    }
  }

  /** The link lets messages through again. */
  healed(): void {
    if (!this.link.in) return;
    for (const deliver of this.#watch?.held.splice(0) ?? []) deliver();
  }

  /** The watch's connection breaks, and the node notices. */
  cutWatch(): void {
    if (this.#watch) this.#lose(this.#watch, "cut");
  }

  /** etcd does not know the watch any more; the node notices at once if it can hear. */
  breakWatch(): void {
    if (!this.#watch) return;
    if (this.link.in) this.#lose(this.#watch, "etcd was restored");
    else this.#watch.broken = true;
  }

  #wake(): void {
    if (this.#sleepsSince === undefined) return;
    this.#sleptMs += this.#world.schedule.now - this.#sleepsSince;
    this.#sleepsSince = undefined;
  }

  /** Runs in this process: now, or when it thaws, or never if it has crashed meanwhile. */
  #inProcess(life: number, timer: boolean, run: () => void): void {
    if (life !== this.#life) return;
    if (this.#frozen) this.#deferred.push({ timer, run: () => this.#inProcess(life, timer, run) });
    else run();
  }

  /** After milliseconds of this machine's monotonic clock. */
  #timer(ms: number, run: () => void): void {
    const life = this.#life;
    const due = this.now().monotonic + ms;
    const check = () =>
      this.#inProcess(life, true, () => {
        const left = due - this.now().monotonic;
        if (left > 1e-6) this.#world.schedule.after(left / this.#rate, check);
        else run();
      });
    this.#world.schedule.after(ms / this.#rate, check);
  }

  #armTick(): void {
    const wait = machine.nextTickMs(this.#core!, this.now());
    if (wait === Infinity) return;
    const at = this.now().monotonic + Math.ceil(wait);
    if (at >= this.#tickAt) return;
    this.#tickAt = at;
    this.#timer(Math.ceil(wait), () => {
      if (this.#tickAt !== at) return;
      this.#tickAt = Infinity;
      this.dispatch({ type: "tick" });
    });
  }

  #perform(action: machine.Action): void {
    const { etcd, random } = this.#world;
    switch (action.type) {
      case "watch":
        return this.#openWatch(action.generation);
      case "report-data-loss":
        this.#world.trace(`${this.id}: etcd has lost its data`);
        return this.onDataLoss();
      case "drain":
        return this.#timer(
          random.chance(0.8) ? random.between(0, 100) : random.between(0, MAX_DRAIN_MS),
          () => this.dispatch({ type: "drained", leaseId: action.leaseId }),
        );
      case "grant":
        return this.#call(action.timeoutMs, () => etcd.grant(action.ttlMs), (answer, sentAt) => ({
          type: "granted",
          sentAt,
          ...answer,
        }), () => ({ type: "grant-failed" }));
      case "enqueue":
        return this.#call(
          action.timeoutMs,
          () => etcd.enqueue(action.key, action.leaseId, { id: this.id, priority: this.#priority }),
          (answer) =>
            answer === "lease-gone"
              ? { type: "enqueue-failed", leaseId: action.leaseId, failure: "lease-gone" }
              : { type: "enqueued", leaseId: action.leaseId, token: answer.token },
          (failure) => ({ type: "enqueue-failed", leaseId: action.leaseId, failure }),
        );
      case "renew":
        return this.#call(
          action.timeoutMs,
          () => etcd.renew(action.leaseId),
          (answer, sentAt) => ({ type: "renewed", leaseId: action.leaseId, sentAt, answer }),
          (failure) => ({ type: "renew-failed", leaseId: action.leaseId, failure }),
          true,
        );
      case "guard":
        return this.#call(
          action.timeoutMs,
          () => etcd.guard(action.key, action.token),
          (answer, sentAt) => ({ type: "guarded", leaseId: action.leaseId, sentAt, answer }),
          () => ({ type: "guard-failed", leaseId: action.leaseId }),
        );
      case "withdraw": {
        const { leaseId, key, token, timeoutMs, handoff } = action;
        const failed = () => ({ type: "withdraw-failed", leaseId }) as const;
        const revoke = () =>
          this.#call(timeoutMs, () => etcd.revoke(leaseId), () => ({ type: "withdrawn", leaseId }), failed);
        if (token === undefined) return revoke();
        return this.#call(timeoutMs, () => etcd.withdraw(key, token, handoff), (answer) => {
          if (answer === "changed") return failed();
          revoke();
          return undefined;
        }, failed);
      }
      case "revoke":
        return this.#call(
          action.timeoutMs,
          () => etcd.revoke(action.leaseId),
          () => ({ type: "tick" }),
          () => ({ type: "tick" }),
        );
    }
  }

  /** One call over the network, answered late, twice or never; the node gives up after `timeoutMs`. */
  #call<T>(
    timeoutMs: number,
    handle: () => T | "silent",
    answered: (answer: T, sentAt: Instant) => machine.MachineEvent | undefined,
    failed: (failure: StoreFailure) => machine.MachineEvent,
    staleLeaderAnswers = false,
  ): void {
    const { schedule, random, etcd, sabotage } = this.#world;
    const sentAt = this.now();
    const life = this.#life;
    let settled = false;
    const settle = (event: () => machine.MachineEvent | undefined) => {
      if (settled) return;
      settled = true;
      const next = event();
      if (next) this.dispatch(next);
    };
    const back = (event: () => machine.MachineEvent | undefined) => {
      if (!this.link.in || random.chance(this.link.loss)) return;
      schedule.after(this.#latency(), () => this.#inProcess(life, false, () => settle(event)));
    };
    const arrive = () => {
      if (etcd.health === "down") return back(() => failed("unreachable"));
      if (etcd.health === "silent" && !staleLeaderAnswers) return;
      const answer = handle();
      if (answer === "silent") return;
      back(() => answered(answer, sabotage === "count-from-answer" ? this.now() : sentAt));
    };
    this.#timer(timeoutMs, () => settle(() => failed("unreachable")));
    if (!this.link.out || random.chance(this.link.loss)) return;
    schedule.after(this.#latency(), arrive);
    if (random.chance(this.link.loss)) {
      schedule.after(this.#latency() + random.between(0, 3000), () => this.#world.peace || arrive());
    }
  }

  #latency(): number {
    const { random, distanceMs } = this.#world;
    return distanceMs + random.between(0.1, 2) + (this.link.slowMs > 0 ? random.between(0, this.link.slowMs) : 0);
  }

  #openWatch(generation: number): void {
    const { etcd, schedule } = this.#world;
    this.#watch = undefined;
    const timeoutMs = callTimeoutMs(this.#settings.ttlMs);
    const list = () => ({ queue: etcd.keys, revision: etcd.revision });
    const lost = () => ({ type: "watch", generation, notice: lostNotice("unreachable") }) as const;
    this.#call(timeoutMs, list, ({ queue, revision }, sentAt) => {
      const watch: Watch = { generation, sent: revision, queue, arrives: schedule.now, held: [] };
      this.#watch = watch;
      this.dispatch({ type: "watch", generation, notice: { type: "listed", queue, revision, sentAt } });
      this.#probe(watch);
      this.pump();
      return undefined;
    }, lost);
  }

  #probe(watch: Watch): void {
    const { schedule, random, etcd } = this.#world;
    const sentAt = this.now();
    let alive = false;
    if (this.link.out && !random.chance(this.link.loss)) {
      schedule.after(this.#latency(), () => {
        if (this.#watch !== watch || watch.broken || etcd.health === "silent") return;
        if (etcd.health === "down") return this.#lose(watch, "etcd is down");
        this.#tell(watch, { type: "alive", sentAt }, () => {
          alive = true;
          this.#timer(this.#settings.ttlMs / 2, () => this.#watch === watch && this.#probe(watch));
        });
      });
    }
    this.#timer(callTimeoutMs(this.#settings.ttlMs), () => alive || this.#lose(watch, "silent"));
  }

  /** Sends a notice down the watch: in order, and held up while the link is down. */
  #tell(watch: Watch, notice: StoreNotice, told = () => {}): void {
    const { schedule } = this.#world;
    const life = this.#life;
    const deliver = () => {
      if (this.#watch !== watch) return;
      if (!this.link.in) return void watch.held.push(deliver);
      this.#inProcess(life, false, () => {
        if (this.#watch !== watch) return;
        told();
        this.dispatch({ type: "watch", generation: watch.generation, notice });
      });
    };
    watch.arrives = Math.max(watch.arrives, schedule.now + this.#latency());
    schedule.after(watch.arrives - schedule.now, deliver);
  }

  #lose(watch: Watch, why: string): void {
    this.#inProcess(this.#life, false, () => {
      if (this.#watch !== watch) return;
      this.#watch = undefined;
      this.dispatch({ type: "watch", generation: watch.generation, notice: lostNotice(why) });
    });
  }

  /** The sabotage of leading on a watch alone: etcd's word is made up. */
  #claim(): void {
    const core = this.#core!;
    const lease = machine.leaseOf(core);
    const key = lease && machine.keyOf(core, lease.id);
    if (core.campaign.stage !== "queued" || core.term || core.view?.queue[0]?.key !== key) return;
    const now = this.now();
    const renewed = {
      type: "renewed",
      leaseId: lease!.id,
      sentAt: now,
      answer: { leaseId: lease!.id, ttlMs: lease!.ttlMs },
    };
    this.#core = machine.step(core, renewed as machine.MachineEvent, now).core;
    const guarded = { type: "guarded", leaseId: lease!.id, sentAt: now, answer: { held: true, first: key } };
    this.#core = machine.step(this.#core, guarded as machine.MachineEvent, now).core;
  }
}

/** The sabotage of keeping a lease that ran out: it seems to be about to. */
function withoutLapse(core: machine.Core, now: Instant): machine.Core {
  if (core.campaign.stage !== "queued") return core;
  const { lease } = core.campaign;
  const shift = 1 - remaining(lease.sentAt, lease.ttlMs, now);
  if (shift <= 0) return core;
  const sentAt = { monotonic: lease.sentAt.monotonic + shift, wall: lease.sentAt.wall + shift };
  return { ...core, campaign: { ...core.campaign, lease: { ...lease, sentAt } } };
}

function lostNotice(why: string): StoreNotice {
  return { type: "lost", error: new StoreError("unreachable", why) };
}

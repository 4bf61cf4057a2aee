import type { GuardAnswer, StoreFailure } from "../../election/machine/types.ts";
import type { Instant } from "../../election/machine/clock.ts";
import { callTimeoutMs, remaining } from "../../election/machine/deadline.ts";
import * as machine from "../../election/machine/mod.ts";
import { applyChanges, type Queue, type Self } from "../../election/machine/queue.ts";
import { campaign } from "../../election/campaign.ts";
import { ElectionError } from "../../election/errors.ts";
import { Participant } from "../../election/participant.ts";
import type { Time } from "../../election/runner.ts";
import {
  type CloseWatch,
  type Store,
  StoreError,
  type StoreNotice,
  type WithdrawOptions,
} from "../../election/store.ts";
import type { ElectionEvent } from "../../election/events.ts";
import type { Term } from "../../election/term.ts";
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
  | "keep-lapsed"
  /** The next in line leads at once whatever took its predecessor's key away. */
  | "take-over-always"
  /** The term of one who takes over counts from the handoff, not from what etcd answered before. */
  | "count-from-handoff";

/** How much later a call arrives once more. */
const DOUBLED_MS = 1200;

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
  /** Milliseconds by which the member that serves the watch lags behind. */
  lagMs: number;
  /** Whether what etcd sends on the watch is held back, and nothing else. */
  stalled: boolean;
}

/** A link without faults. */
export const HEALTHY_LINK: Readonly<Link> = { out: true, in: true, slowMs: 0, loss: 0, lagMs: 0, stalled: false };

/** What becomes of a call. */
export type Fate =
  /** The request is lost. */
  | "lost"
  /** The request is carried out, and the answer is lost. */
  | "unanswered"
  /** The request takes its time, and is answered in time. */
  | "late"
  /** The request is carried out when the node has given it up. */
  | "too-late"
  /** The request arrives once more, later. */
  | "doubled";

/** What the nodes live in. */
export interface Surroundings {
  readonly schedule: Schedule;
  readonly random: Random;
  readonly etcd: ModelEtcd;
  readonly trace: (text: string) => void;
  readonly sabotage?: Sabotage;
  /** Milliseconds that every message takes at least. */
  readonly distanceMs: number;
  fateOfCall(node: ModelNode): Fate | undefined;
  /** How long the work of a term may take to end. */
  readonly workEndsMs: number;
  /** Whether the nodes take a lock again and again, instead of looping over an election. */
  readonly locks?: boolean;
  /** Whether all faults are over. */
  readonly peace: boolean;
  /** Whether promises may have settled since time went on. */
  settling: boolean;
}

interface Watch {
  readonly notify: (notice: StoreNotice) => void;
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

/** One node: the real participant in a process that can freeze and crash, on a machine with clocks of its own. */
export class ModelNode implements Store, Time {
  readonly id: string;
  readonly link: Link = { ...HEALTHY_LINK };
  readonly #world: Surroundings;
  readonly #settings: Omit<machine.MachineSettings, "self">;
  readonly #rate: number;
  readonly #priority: number;
  readonly #monotonicAtBirth: number;
  #wallOffset: number;
  #sleptMs = 0;
  #sleepsSince: number | undefined;
  #life = 0;
  #participant: Participant | undefined;
  /** How often it has joined: only the last participant counts. */
  #joined = 0;
  /** What the node says about itself. */
  #meta: Self["meta"];
  #stopping = false;
  #core: machine.Core | undefined;
  #frozen = false;
  #deferred: { readonly timer: boolean; readonly run: () => void }[] = [];
  #watch: Watch | undefined;
  /** The term that is worked for. */
  #workedFor: Term | undefined;
  /** Whether a loop body has received the current term. */
  #termIsUsed = false;
  #stopped = false;
  /** Called after each step of the machine, and told whether it acted. */
  onStep = (_acted: boolean) => {};
  /** Called when the node finds that etcd has lost its data. */
  onDataLoss = () => {};
  /** Called when a process works for two terms at once. */
  onTwoBodies = () => {};
  /** Called for each event of the election. */
  onEvent = (_event: ElectionEvent) => {};
  /** What is done in a term, instead of the usual. */
  work: ((term: Term) => Promise<void>) | undefined;

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

  /** Whether `stop` has resolved. */
  get stopped(): boolean {
    return this.#stopped;
  }

  /** Whether the node would say at this moment that it leads. */
  get leads(): boolean {
    return this.#core !== undefined && machine.leads(this.#core, this.now());
  }

  /** Whether a term holds here. */
  get holds(): boolean {
    return this.#core !== undefined && machine.termRemaining(this.#core, this.now()) > 0;
  }

  /** Whether work for a term is running that has time left to stop. */
  get works(): boolean {
    return (this.#workedFor?.stopWithin() ?? 0) > 0;
  }

  /** Whether somebody depends on the end of the current term. */
  get termIsUsed(): boolean {
    return this.#termIsUsed;
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
    this.#world.settling = true;
    this.#life++;
    this.#stopped = false;
    this.#stopping = false;
    const life = this.#life;
    if (this.#world.locks) this.#lock(life);
    else this.#use(this.#join(life), life);
  }

  #join(life: number): Participant {
    const settings = { ...this.#settings, self: { id: this.id, priority: this.#priority } };
    const onEvent = (event: ElectionEvent) => {
      if (event.type === "etcd-data-lost") this.onDataLoss();
      if (life === this.#life) this.onEvent(event);
    };
    this.#meta = undefined;
    const joined = ++this.#joined;
    const step: typeof machine.step = (core, event, now) =>
      this.#life === life ? this.#step(core, event, now, joined) : { core, actions: [] };
    // What a crashed process was about to do is not done by the next one.
    const after = (ms: number, run: () => void) => this.#life === life ? this.after(ms, run) : () => {};
    const time: Time = { now: () => this.now(), after };
    // As over a shared connection: who has released a lock may take it again before its lease is revoked.
    const finishLater = () => {};
    return this.#participant = new Participant({ settings, store: this, time, onEvent, step, finishLater });
  }

  crash(): void {
    this.#life++;
    this.#core = undefined;
    this.#participant = undefined;
    this.#watch = undefined;
    this.#workedFor = undefined;
    this.#deferred = [];
    this.#frozen = false;
    this.#wake();
  }

  /** Steps down, for the candidate with the token `to` if it can be next. */
  resign(to?: bigint): void {
    const candidate = this.#core?.view?.queue.find(({ token }) => token === to);
    this.#world.settling = true;
    if (to === undefined || candidate) this.#participant?.resign(candidate).catch(() => {});
  }

  /** Describes itself anew. */
  describe(meta: Self["meta"]): void {
    if (this.#frozen || !this.#participant) return;
    this.#world.settling = true;
    this.#participant.update({ meta });
  }

  /** Leaves for good. */
  stop(): void {
    this.#world.settling = true;
    this.#stopping = true;
    const life = this.#life;
    this.#participant?.stop().then(() => {
      if (life === this.#life) this.#stopped = true;
    });
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
    this.onStep(false);
  }

  /** Somebody sets the wall clock. */
  setWall(byMs: number): void {
    this.#wallOffset += byMs;
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
      this.#send(watch, { type: "changed", queue: watch.queue, revision, more: revision !== etcd.revision });
    }
  }

  /** The link lets messages through again. */
  healed(): void {
    if (!this.link.in || this.link.stalled) return;
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

  // The time of the machine.

  after(ms: number, run: () => void): () => void {
    let cancelled = false;
    this.#timer(ms, run, () => cancelled);
    return () => cancelled = true;
  }

  // The store: calls over the network.

  grant(ttlMs: number, timeoutMs: number): Promise<{ leaseId: bigint; ttlMs: number }> {
    return this.#call(timeoutMs, () => this.#world.etcd.grant(ttlMs));
  }

  renew(leaseId: bigint, timeoutMs: number): Promise<{ leaseId: bigint; ttlMs: number }> {
    return this.#call(timeoutMs, () => this.#world.etcd.renew(leaseId), true);
  }

  async enqueue(key: string, leaseId: bigint, timeoutMs: number): Promise<{ token: bigint; first: string }> {
    const self = { id: this.id, priority: this.#priority, meta: this.#meta };
    const answer = await this.#call(timeoutMs, () => this.#world.etcd.enqueue(key, leaseId, self));
    if (answer === "lease-gone") throw new StoreError("lease-gone", "the lease is gone");
    return answer;
  }

  guard(key: string, token: bigint, timeoutMs: number): Promise<GuardAnswer> {
    return this.#call(timeoutMs, () => this.#world.etcd.guard(key, token));
  }

  async update(self: Self, own: { key: string; token: bigint } | undefined, timeoutMs: number): Promise<void> {
    this.#meta = self.meta;
    if (own) await this.#call(timeoutMs, () => this.#world.etcd.update(own.key, own.token, self));
  }

  async touch(): Promise<void> {}

  async withdraw(key: string, token: bigint, timeoutMs: number, options?: WithdrawOptions): Promise<void> {
    const answer = await this.#call(timeoutMs, () => this.#world.etcd.withdraw(key, token, options));
    if (answer === "changed") throw new StoreError("changed", "the queue has changed");
  }

  async revoke(leaseId: bigint, timeoutMs: number): Promise<void> {
    await this.#call(timeoutMs, () => this.#world.etcd.revoke(leaseId));
  }

  watch(notify: (notice: StoreNotice) => void): CloseWatch {
    const { etcd, schedule } = this.#world;
    this.#watch = undefined;
    let closed = false;
    let watch: Watch | undefined;
    const list = () => ({ queue: etcd.keys, revision: etcd.revision, restorations: etcd.restorations });
    const sentAt = this.now();
    this.#call(callTimeoutMs(this.#settings.ttlMs), list).then(({ queue, revision, restorations }) => {
      if (closed) return;
      // The connection of the watch, which was opened before the list was read, has ended with the former etcd.
      if (restorations !== etcd.restorations) return notify(lostNotice("etcd was restored"));
      watch = { notify, sent: revision, queue, arrives: schedule.now, held: [] };
      this.#watch = watch;
      notify({ type: "listed", queue, revision, sentAt });
      this.#probe(watch);
      this.pump();
    }, () => closed || notify(lostNotice("unreachable")));
    return () => {
      closed = true;
      if (watch && this.#watch === watch) this.#watch = undefined;
    };
  }

  /** A step of the machine, or of a sabotaged one. */
  #step(
    core: machine.Core,
    event: machine.MachineEvent,
    now: Instant,
    joined: number,
  ): ReturnType<typeof machine.step> {
    const { sabotage, trace } = this.#world;
    const before = sabotage === "keep-lapsed" ? withoutLapse(core, now) : core;
    const sent = sabotage === "count-from-answer" && "sentAt" in event ? { ...event, sentAt: now } : event;
    let result = machine.step(before, sent, now);
    if (sabotage === "lead-on-watch") result = { ...result, core: claimed(result.core, now) };
    if (sabotage === "take-over-always") result = takenOver(result, now);
    if (sabotage === "count-from-handoff") result = { ...result, core: counted(core, result.core, now) };
    if (joined === this.#joined) this.#core = result.core;
    if (core.term !== result.core.term) {
      this.#termIsUsed = false;
      trace(
        `${this.id}: ${result.core.term ? `leads with ${result.core.term.token}` : `term ended, ${result.core.ended}`}`,
      );
    }
    this.onStep(result.actions.length > 0 || core.term !== result.core.term);
    return result;
  }

  /** Loops over the election for ever, as a program does, whatever its body throws. */
  async #use(participant: Participant, life: number): Promise<void> {
    while (life === this.#life && !this.#stopped) {
      try {
        for await (const state of participant) {
          if (life !== this.#life) return;
          if (state.role === "leader") await (this.work?.(state.term) ?? this.#lead(state.term, life));
        }
        return;
      } catch (error) {
        if (!(error instanceof WorkError)) throw error;
      }
    }
  }

  /** Takes the lock again and again, whatever its body throws; or does the same as `whileLeader`. */
  async #lock(life: number): Promise<void> {
    let bodies = 0;
    const body = async (term: Term) => {
      if (++bodies > 1) this.onTwoBodies();
      try {
        await this.#lead(term, life);
      } finally {
        bodies--;
      }
    };
    while (life === this.#life && !this.#stopping) {
      try {
        await campaign(this.#join(life), body, { again: this.#world.random.chance(0.5) });
      } catch (error) {
        if (!(error instanceof WorkError || error instanceof ElectionError)) throw error;
      }
    }
  }

  /** The body of the loop: stops soon after the signal, overruns, ends early, resigns or throws. */
  async #lead(term: Term, life: number): Promise<void> {
    const { random } = this.#world;
    const stopsWithinMs = random.chance(0.8) ? random.between(0, 100) : random.between(0, this.#world.workEndsMs);
    this.#workedFor = term;
    this.#termIsUsed = true;
    const early = this.#world.locks || random.chance(0.2) ? random.between(0, 3000) : Infinity;
    const fails = random.chance(0.1);
    const resigns = !this.#world.peace && random.chance(0.05);
    if (resigns) this.after(random.between(0, 2000), () => term.validFor() > 0 && this.resign());
    await new Promise<void>((resolve) => {
      const end = () => resolve();
      if (early < Infinity) this.after(early, end);
      const stop = () => this.after(stopsWithinMs, end);
      if (term.signal.aborted) stop();
      else term.signal.addEventListener("abort", stop);
    });
    if (life !== this.#life) return await new Promise(() => {});
    if (this.#workedFor === term) this.#workedFor = undefined;
    if (fails) throw new WorkError();
    // Who ends early stays the leader, and does not come back for the next state before it changes.
  }

  #wake(): void {
    if (this.#sleepsSince === undefined) return;
    this.#sleptMs += this.#world.schedule.now - this.#sleepsSince;
    this.#sleepsSince = undefined;
  }

  /** Runs in this process: now, or when it thaws, or never if it has crashed meanwhile. */
  #inProcess(life: number, timer: boolean, run: () => void): void {
    if (life !== this.#life) return;
    if (this.#frozen) return void this.#deferred.push({ timer, run: () => this.#inProcess(life, timer, run) });
    this.#world.settling = true;
    run();
  }

  /** After milliseconds of this machine's monotonic clock, unless it is cancelled by then. */
  #timer(ms: number, run: () => void, isCancelled = () => false): void {
    const life = this.#life;
    const due = this.now().monotonic + ms;
    const check = () =>
      isCancelled() || this.#inProcess(life, true, () => {
        const left = due - this.now().monotonic;
        if (left > 1e-6) this.#world.schedule.after(left / this.#rate, check);
        else if (!isCancelled()) run();
      });
    this.#world.schedule.after(ms / this.#rate, check);
  }

  /** One call over the network, answered late, twice or never; the node gives up after `timeoutMs`. */
  #call<T>(timeoutMs: number, handle: () => T | "silent", staleLeaderAnswers = false): Promise<T> {
    const { schedule, random, etcd } = this.#world;
    const life = this.#life;
    return new Promise((resolve, reject) => {
      const failed = (failure: StoreFailure) => reject(new StoreError(failure, failure));
      let answered = false;
      const back = (settle: () => void) => {
        if (!this.link.in || random.chance(this.link.loss)) return;
        schedule.after(this.#latency(), () =>
          this.#inProcess(life, false, () => {
            answered = true;
            settle();
          }));
      };
      const arrive = () => {
        if (etcd.health === "down") return back(() => failed("unreachable"));
        if (etcd.health === "silent" && !staleLeaderAnswers) return;
        const answer = handle();
        if (answer !== "silent") back(() => resolve(answer));
      };
      this.#timer(timeoutMs, () => failed("unreachable"), () => answered);
      const fate = this.#world.fateOfCall(this);
      if (fate) this.#world.trace(`-- a call of ${this.id} is ${fate}`);
      if (!this.link.out || random.chance(this.link.loss) || fate === "lost") return;
      if (fate === "unanswered") return schedule.after(this.#latency(), () => etcd.health === "up" && handle());
      const delayMs = fate === "late" ? timeoutMs / 2 : fate === "too-late" ? timeoutMs + 500 : 0;
      schedule.after(this.#latency() + delayMs, arrive);
      if (fate === "doubled") schedule.after(this.#latency() + DOUBLED_MS, arrive);
      if (random.chance(this.link.loss)) {
        schedule.after(this.#latency() + random.between(0, 3000), () => this.#world.peace || arrive());
      }
    });
  }

  #latency(): number {
    const { random, distanceMs } = this.#world;
    return distanceMs + random.between(0.1, 2) + (this.link.slowMs > 0 ? random.between(0, this.link.slowMs) : 0);
  }

  #probe(watch: Watch): void {
    const { schedule, random, etcd } = this.#world;
    const sentAt = this.now();
    let alive = false;
    if (this.link.out && !random.chance(this.link.loss)) {
      schedule.after(this.#latency(), () => {
        if (this.#watch !== watch || watch.broken || etcd.health === "silent") return;
        if (etcd.health === "down") return this.#lose(watch, "etcd is down");
        this.#send(watch, { type: "alive", sentAt }, () => {
          alive = true;
          this.#timer(this.#settings.ttlMs / 2, () => this.#watch === watch && this.#probe(watch));
        });
      });
    }
    this.#timer(callTimeoutMs(this.#settings.ttlMs), () => this.#lose(watch, "silent"), () => alive);
  }

  /** Sends a notice down the watch: in order, and held up while the link is down. */
  #send(watch: Watch, notice: StoreNotice, delivered = () => {}): void {
    const { schedule } = this.#world;
    const life = this.#life;
    const deliver = () => {
      if (this.#watch !== watch) return;
      if (!this.link.in || this.link.stalled) return void watch.held.push(deliver);
      this.#inProcess(life, false, () => {
        if (this.#watch !== watch) return;
        delivered();
        watch.notify(notice);
      });
    };
    watch.arrives = Math.max(watch.arrives, schedule.now + this.#latency() + this.link.lagMs);
    // Not after a delay: rounded, it may end before what was sent earlier.
    schedule.at(watch.arrives, deliver);
  }

  #lose(watch: Watch, why: string): void {
    this.#inProcess(this.#life, false, () => {
      if (this.#watch !== watch) return;
      this.#watch = undefined;
      watch.notify(lostNotice(why));
    });
  }
}

/** What a body throws. */
class WorkError extends Error {}

/** The sabotage of leading on a watch alone: etcd's answer is made up. */
function claimed(core: machine.Core, now: Instant): machine.Core {
  const lease = machine.leaseOf(core);
  const key = lease && machine.keyOf(core, lease.id);
  if (core.campaign.stage !== "queued" || core.term || core.view?.queue[0]?.key !== key) return core;
  const answer = { leaseId: lease!.id, ttlMs: lease!.ttlMs };
  const renewed = machine.step(core, { type: "renewed", leaseId: lease!.id, sentAt: now, answer }, now).core;
  const guard = { held: true, first: key, revision: core.view!.revision };
  return machine.step(renewed, { type: "guarded", leaseId: lease!.id, asFirst: true, sentAt: now, answer: guard }, now)
    .core;
}

/** The sabotage of taking over without a handoff. */
function takenOver(result: ReturnType<typeof machine.step>, now: Instant): ReturnType<typeof machine.step> {
  const { core, actions } = result;
  if (!core.view || core.view.handedOver) return result;
  const next = machine.step({ ...core, view: { ...core.view, handedOver: true } }, { type: "tick" }, now);
  return next.core.term ? { core: next.core, actions: [...actions, ...next.actions] } : result;
}

/** The sabotage of counting a term from the handoff. */
function counted(before: machine.Core, core: machine.Core, now: Instant): machine.Core {
  const { campaign } = core;
  if (campaign.stage !== "queued" || before.campaign.stage !== "queued") return core;
  if (before.term || !core.term || campaign.guardedAt !== before.campaign.heldAt) return core;
  return { ...core, campaign: { ...campaign, guardedAt: now, lease: { ...campaign.lease, sentAt: now } } };
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

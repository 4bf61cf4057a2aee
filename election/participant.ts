import { publicSelf } from "./etcd/codec.ts";
import { checkEtcdOptions } from "./etcd/options.ts";
import { finishLater, linkOf } from "./connection.ts";
import { deferred } from "./deferred.ts";
import { defaultStopBudgetMs, remaining } from "./machine/deadline.ts";
import { HandoffError, OverrunError, StopTimeoutError } from "./errors.ts";
import type { ElectionEvent } from "./events.ts";
import { EtcdLink } from "./etcd/link.ts";
import { EtcdStore, type EtcdStoreOptions } from "./etcd/store.ts";
import { withJson } from "./json.ts";
import * as machine from "./machine/mod.ts";
import {
  checkCandidate,
  checkConnection,
  checkDrain,
  checkName,
  checkStopBudget,
  checkTtl,
  DEFAULT_TTL,
  type ElectionOptions,
  type SelfChanges,
} from "./options.ts";
import { checkNames, checkShape } from "./option_shape.ts";
import { type Candidate, planHandoff, type Queue } from "./machine/queue.ts";
import { Overrun } from "./overrun.ts";
import { Readers } from "./readers.ts";
import { setLook } from "./look.ts";
import { checkLimit, checkWait, MAX_TIMER_MS, type WaitOptions } from "./ready.ts";
import { callSafely } from "./report.ts";
import { Runner, systemTime, type Time } from "./runner.ts";
import type { Store } from "./store.ts";
import type { RoleState } from "./state.ts";
import type { Term } from "./term.ts";
import type { ElectionStatus, ElectionView } from "./observation.ts";
import type { EtcdTrouble } from "./giving_up.ts";
import { untilLeader } from "./until_leader.ts";

/** What a participant is made of. The simulation replaces the store, the time and the decisions. */
export interface Parts {
  readonly settings: machine.MachineSettings;
  readonly store: Store;
  readonly time?: Time;
  readonly onEvent?: ElectionOptions["onEvent"];
  /** Called last when the participant stops. */
  readonly close?: () => Promise<void> | undefined;
  /** Takes over waiting for the end of a stop, if something outlives the participant that can. */
  readonly finishLater?: (stopped: Promise<void>) => void;
  readonly step?: typeof machine.step;
}

const NO_QUEUE: Queue = [];

/** What the options of users do not say. */
export type JoinOptions = Pick<EtcdStoreOptions, "marksLeaving">;

/** A candidate or an observer of an election. */
export class Participant implements ElectionView, EtcdTrouble {
  readonly #runner: Runner;
  readonly #readers: Readers;
  readonly #close: () => Promise<void> | undefined;
  readonly #finishLater: Parts["finishLater"];
  readonly #time: Time;
  /** Reports an event to the user. */
  readonly report: (event: ElectionEvent) => void;
  readonly #overrun: Overrun;
  /** Look whether those who wait still have something to wait for. */
  readonly #waiting = new Set<() => void>();
  #stopped: Promise<void> | undefined;

  constructor(
    { settings, store, time = systemTime, onEvent, close = () => Promise.resolve(), finishLater, step }: Parts,
  ) {
    this.#close = close;
    this.#finishLater = finishLater;
    this.#time = time;
    // In a microtask: what the callback does must not interrupt a step of the election.
    this.report = (event) => onEvent && queueMicrotask(() => callSafely("onEvent", onEvent, withJson(event)));
    this.#readers = new Readers(() => this.#runner.state, {
      onWork: (term) => this.#runner.use(term),
      onIdle: (term) => this.report({ type: "work-ended", term }),
    });
    setLook(this, () => this.look());
    const stopBudgetMs = settings.stopBudgetMs ?? defaultStopBudgetMs(settings.ttlMs);
    this.#overrun = new Overrun(stopBudgetMs, (term) => this.report({ type: "overrun", term }));
    this.#runner = new Runner(settings, store, time, {
      changed: () => {
        this.#readers.changed();
        this.#overrun.check(this.#readers.working, () => time.now());
        for (const look of this.#waiting) look();
      },
      drained: () => this.#readers.drained(),
      event: this.report,
    }, step);
    this.#runner.dispatch({ type: "tick" });
  }

  /**
   * Joins an election as its options say.
   *
   * @throws {InvalidOptionError} If an option cannot work.
   */
  static join(options: ElectionOptions, candidate: boolean, { marksLeaving }: JoinOptions = {}): Participant {
    checkShape(options, candidate ? "candidate" : "observer");
    const prefix = checkName(options.name) + "/";
    const ttl = checkTtl(options.ttlSeconds ?? DEFAULT_TTL);
    // As others read it.
    const self = publicSelf(checkCandidate(options.candidate ?? { id: crypto.randomUUID() }));
    checkConnection(options);
    const stopBudgetMs = checkStopBudget(options.stopBudgetMs, ttl);
    const drainMs = checkDrain(options.drainMs);
    const ownLink = options.connection ? undefined : new EtcdLink(checkEtcdOptions(options));
    const settings = { candidate, self, prefix, ttlMs: ttl * 1000, stopBudgetMs, drainMs };
    const store = new EtcdStore({ ...settings, marksLeaving }, ownLink ?? linkOf(options.connection!));
    return new Participant({
      settings,
      store,
      onEvent: options.onEvent,
      close: () => ownLink?.close(),
      finishLater: options.connection && ((stopped) => finishLater(options.connection!, stopped)),
    });
  }

  get state(): RoleState {
    return this.#runner.state;
  }

  get status(): ElectionStatus {
    const { state, core } = this.#runner;
    const lease = machine.leaseOf(core);
    return withJson({
      state,
      queue: withJson(core.view?.queue ?? NO_QUEUE),
      lease: lease && {
        id: lease.id.toString(16),
        ttlMs: lease.ttlMs,
        expiresInMs: Math.max(0, remaining(lease.sentAt, lease.ttlMs, this.#runner.now())),
      },
      inQueue: core.settings.candidate ? core.campaign.stage === "queued" : core.view !== undefined,
      etcdError: this.etcdError,
      queueAgeMs: this.#runner.queueAgeMs(),
    });
  }

  get etcdError(): string | undefined {
    return this.#runner.health.error;
  }

  whenHopeless(end: (message: string) => void): () => void {
    const look = () => {
      const { hopeless } = this.#runner.health;
      if (hopeless !== undefined && this.#waiting.delete(look)) end(hopeless);
    };
    this.#waiting.add(look);
    look();
    return () => this.#waiting.delete(look);
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<RoleState> {
    return this.#readers.iterate();
  }

  /** The states, for a reader that only looks: no handover waits for it. */
  look(): AsyncIterableIterator<RoleState> {
    return this.#readers.iterate(false);
  }

  resign(to?: Candidate): Promise<void> {
    const resigned = this.#resign(to);
    // Who does not wait for it must not die of it; the event says the same.
    resigned.catch(() => {});
    return resigned;
  }

  async #resign(to?: Candidate): Promise<void> {
    const { view, campaign } = this.#runner.core;
    const token = "token" in campaign ? campaign.token : undefined;
    if (to && !(view && token && planHandoff(view.queue, token, to.token))) {
      throw new HandoffError(to.id);
    }
    // Without space, etcd would delete keys, but let nobody join again and nobody be told.
    const refusal = to && await this.#runner.writeRefusal();
    if (to && refusal !== undefined) throw new HandoffError(to.id, refusal);
    const { working } = this.#readers;
    this.#runner.dispatch({ type: "resign", to: to?.token });
    if (!machine.isLeaving(this.#runner.core)) return;
    await this.#runner.until((core) => !machine.isLeaving(core));
    const late = this.#readers.working.find((term) => term.signal.aborted && working.includes(term));
    if (late) throw new OverrunError(late.token);
  }

  /** Describes this candidate anew. */
  async update(changes: SelfChanges): Promise<void> {
    checkNames(changes, ["url", "meta"]);
    const { self } = this.#runner.core.settings;
    const changed = checkCandidate({ ...self, ...changes });
    this.#runner.dispatch({ type: "described", self: publicSelf(changed) });
    await this.#runner.publish();
  }

  /** Waits until this candidate leads. */
  async ready(options: WaitOptions = {}): Promise<Term> {
    return await untilLeader(this.look(), checkWait(options), this);
  }

  stop({ within = Infinity }: { readonly within?: number } = {}): Promise<void> {
    checkLimit("within", within);
    this.#stopped ??= this.#stop();
    return within < MAX_TIMER_MS ? this.#stopWithin(within, this.#stopped) : this.#stopped;
  }

  /**
   * Stops, and resolves when the next candidate can lead, or after `limitMs`. The rest continues in the background; a
   * shared connection waits for it when it is closed.
   */
  async release(limitMs = Infinity): Promise<void> {
    const stopped = this.stop();
    this.#finishLater?.(stopped);
    const left = this.#finishLater ? this.#runner.until(() => this.#runner.hasLeft) : stopped;
    if (limitMs === Infinity) return await left;
    const late = deferred();
    const cancel = this.#time.after(limitMs, late.resolve);
    await Promise.race([left, late.promise]);
    cancel();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #stopWithin(within: number, stopped: Promise<void>): Promise<void> {
    const late = deferred();
    const cancel = this.#time.after(within, () => late.reject(new StopTimeoutError(within)));
    try {
      await Promise.race([stopped, late.promise]);
    } catch (error) {
      this.#runner.close();
      this.#close();
      throw error;
    } finally {
      cancel();
    }
  }

  async #stop(): Promise<void> {
    this.#runner.dispatch({ type: "stop" });
    await this.#runner.until(({ campaign: { stage } }) => stage === "off");
    await this.#runner.close();
    await this.#close();
  }
}

import { type Clock, elapsed, type Instant, systemClock } from "./machine/clock.ts";
import { callTimeoutMs, RENEW_RETRY_MS } from "./machine/deadline.ts";
import type { ElectionEvent } from "./events.ts";
import { Health } from "./health.ts";
import { withJson } from "./json.ts";
import * as machine from "./machine/mod.ts";
import type { Candidate, Queue } from "./machine/queue.ts";
import type { RoleState } from "./state.ts";
import { type CloseWatch, type Store, StoreError } from "./store.ts";
import { OwnTerm, type Term } from "./term.ts";

/** The clocks, and timers that the simulation can replace. */
export interface Time extends Clock {
  /** Calls `run` after so many milliseconds, unless the returned function was called before. */
  after(ms: number, run: () => void): () => void;
}

/** The time of this machine. */
export const systemTime: Time = {
  now: systemClock.now,
  after(ms, run) {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
};

/** Callbacks to a runner's owner. */
export interface RunnerHooks {
  /** The role may have changed. */
  changed(): void;
  /** A term has ended: resolves once no work for an ended term is running; undefined if none is. */
  drained(): Promise<unknown> | undefined;
  /** An event for logs. */
  event(event: ElectionEvent): void;
}

/** Milliseconds from deleting the key to revoking the lease: the revocation must not delay the successor's guard. */
const REVOKE_DELAY_MS = 20;

/** The role while an expired term is being ended. */
const UNDECIDED: RoleState = { role: "follower" };

/** The I/O shell of the {@linkcode machine}: carries out its actions, and passes events and the time to it. */
export class Runner {
  readonly #store: Store;
  readonly #time: Time;
  readonly #step: typeof machine.step;
  readonly #hooks: RunnerHooks;
  /** How the calls to etcd go. */
  readonly health: Health;
  readonly #pending: machine.MachineEvent[] = [];
  readonly #calls = new Set<Promise<void>>();
  readonly #settled = new Set<() => void>();
  #core: machine.Core;
  #stepping = false;
  /** Whether the candidate has ever described itself anew. */
  #described = false;
  /** Whether it is writing its description again. */
  #correcting = false;
  #closed = false;
  #cancelTimer = () => {};
  /** When the timer is due, on the monotonic clock. */
  #tickAt = Infinity;
  #closeWatch: CloseWatch = () => {};
  /** The lease of a term that ended in this step, until `#drain` handles it. */
  #draining: bigint | undefined;
  /** The lease whose key was deleted. */
  #withdrawn: bigint | undefined;
  /** The current term, and whether somebody depends on its end. */
  #term: { readonly of: machine.Core["term"]; readonly term: OwnTerm; used: boolean } | undefined;
  /** The last term whose lease is kept for its work. */
  #ended: OwnTerm | undefined;
  #state: RoleState = { role: "connecting" };
  /** What `#state` was derived from. */
  #derived: { readonly core: machine.Core; readonly current: boolean } | undefined;

  constructor(
    settings: machine.MachineSettings,
    store: Store,
    time: Time,
    hooks: RunnerHooks,
    step: typeof machine.step = machine.step,
  ) {
    this.#store = store;
    this.#time = time;
    this.#hooks = hooks;
    this.#step = step;
    this.health = new Health(hooks.event);
    this.#core = machine.start(settings, time.now());
  }

  /** The machine's state. Reading it ends a term that is over by the clock. */
  get core(): machine.Core {
    return this.#coreAt(this.now());
  }

  #coreAt(now: Instant): machine.Core {
    if (this.#core.term && !machine.leads(this.#core, now)) this.dispatch({ type: "tick" });
    return this.#core;
  }

  /** The current role; the same object until it changes. */
  get state(): RoleState {
    const now = this.now();
    const core = this.#coreAt(now);
    if (core.term && !machine.leads(core, now)) return UNDECIDED;
    const current = machine.viewIsCurrent(core, now);
    if (core === this.#derived?.core && current === this.#derived.current) return this.#state;
    const next = this.#deriveState(core, current);
    if (!sameState(this.#state, next)) {
      if (next.leader) withJson(next.leader);
      this.#state = withJson(next);
    }
    this.#derived = { core, current };
    return this.#state;
  }

  now(): Instant {
    return this.#time.now();
  }

  dispatch(event: machine.MachineEvent): void {
    this.#pending.push(event);
    // An abort listener may call back into the election: queue its event.
    if (this.#stepping) return;
    this.#stepping = true;
    let leaves = false;
    for (let next = this.#pending.shift(); next; next = this.#pending.shift()) {
      const before = this.#core;
      const now = this.now();
      const { core, actions } = this.#step(before, next, now);
      this.#core = core;
      // Actions first: send a guard or a delete before running callbacks.
      for (const action of actions) this.#perform(action);
      leaves ||= actions.some(({ type }) => type === "withdraw");
      this.#endTerm(before);
      this.#drain();
      this.#report(before, now);
    }
    this.#stepping = false;
    // The next leader waits for what is on its way now; readers have learned of the end of the term by its signal.
    if (leaves) this.#time.after(0, () => this.#hooks.changed());
    else this.#hooks.changed();
    this.#checkSettled();
    this.#armTimer();
  }

  /** Somebody depends on the end of a term: from now on, the clocks are looked at now and then. */
  use(term: Term): void {
    if (this.#term?.term !== term || this.#term.used) return;
    this.#term.used = true;
    if (this.#stepping) return;
    // Nobody has looked at the clocks for a while.
    void this.core;
    this.#armTimer();
  }

  #checkSettled(): void {
    for (const check of this.#settled) check();
  }

  /** Whether the candidate, which is stopping, has no key in the queue any more. */
  get hasLeft(): boolean {
    const { campaign } = this.#core;
    return campaign.stage === "off" || (campaign.stage === "withdrawing" && campaign.lease.id === this.#withdrawn);
  }

  /** Resolves once `done` returns true, or nothing more will happen as the runner was closed. */
  until(done: (core: machine.Core) => boolean): Promise<void> {
    return new Promise((resolve) => {
      const check = () => {
        if (!this.#closed && !done(this.#core)) return;
        this.#settled.delete(check);
        resolve();
      };
      this.#settled.add(check);
      check();
    });
  }

  /** Releases everything; call it once the machine is off. Before that, it leaves the key to its lease. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#cancelTimer();
    this.#closeWatch();
    this.#derived = undefined;
    this.#hooks.changed();
    this.#checkSettled();
    await Promise.all(this.#calls);
  }

  #deriveState(core: machine.Core, current: boolean): RoleState {
    if (this.#closed || (core.stopping && core.campaign.stage === "off")) return { role: "stopped" };
    if (core.term) {
      const { token, since } = core.term;
      const { id, url, meta } = core.settings.self;
      const leader = { id, url, token, since: new Date(since.wall), ...meta && { meta } };
      return { role: "leader", leader, term: this.#termOf(core.term) };
    }
    const { view } = core;
    if (!view || !current) return { role: "connecting" };
    const first = machine.observedLeader(core);
    if (!first) return { role: "follower" };
    const { id, url, token, meta } = first;
    const since = view.firstSince === undefined ? undefined : new Date(view.firstSince);
    return { role: "follower", leader: { id, url, token, since, ...meta && { meta } } };
  }

  #termOf(of: NonNullable<machine.Core["term"]>): OwnTerm {
    if (this.#term?.of !== of) {
      const key = machine.keyOf(this.#core, machine.leaseOf(this.#core)!.id);
      const validFor = () => this.core.term === of ? Math.max(0, machine.termRemaining(this.#core, this.now())) : 0;
      this.#term = { of, term: new OwnTerm(key, of.token, validFor, (term) => this.use(term)), used: false };
    }
    return this.#term.term;
  }

  #endTerm(before: machine.Core): void {
    if (!this.#term || this.#term.of === this.#core.term) return;
    const { term } = this.#term;
    this.#term = undefined;
    const reason = this.#core.ended ?? "key-gone";
    const endedAt = this.now();
    const { campaign } = this.#core;
    if (campaign.stage === "draining" && campaign.kept) {
      this.#ended = term;
      return term.end(reason, () => this.#drainRemaining(campaign.lease.id));
    }
    const leaseId = machine.leaseOf(before)?.id;
    const left = reason === "key-gone" ? 0 : machine.termRemaining(before, endedAt);
    // Nothing is left once the key or the lease is gone, or etcd was asked to delete them, whatever the clocks say then.
    const holds = () => machine.leaseOf(this.#core)?.id === leaseId && this.#core.campaign.stage !== "withdrawing";
    term.end(reason, () => holds() ? Math.max(0, left - elapsed(endedAt, this.now())) : 0);
  }

  /** Milliseconds for which the work of an ended term may go on whose lease is kept. */
  #drainRemaining(leaseId: bigint): number {
    return machine.leaseOf(this.#core)?.id === leaseId
      ? Math.max(0, machine.drainRemaining(this.#core, this.now()))
      : 0;
  }

  /** Dispatches `drained` when the work of the ended term has finished; in the same turn if there is none. */
  #drain(): void {
    const leaseId = this.#draining;
    if (leaseId === undefined) return;
    this.#draining = undefined;
    const drained = { type: "drained", leaseId } as const;
    const working = this.#hooks.drained();
    if (working) working.then(() => this.dispatch(drained));
    else this.#pending.push(drained);
  }

  /** Reports the changes of a step as events. */
  #report(before: machine.Core, now: Instant): void {
    const core = this.#core;
    if (core.term && machine.termRemaining(core, now) > (before.term ? machine.termRemaining(before, now) : 0)) {
      this.#hooks.event({ type: "term-extended", term: this.#termOf(core.term) });
    }
    if (this.#ended && before.campaign.stage === "draining") {
      const [was, is] = [machine.drainRemaining(before, now), machine.drainRemaining(core, now)];
      const over = core.campaign.stage !== "draining" || (core.campaign.lapsed && !before.campaign.lapsed);
      const lost = over && !before.campaign.drained;
      if (is > was || lost) this.#hooks.event({ type: "stop-changed", term: this.#ended });
      if (core.campaign.stage !== "draining") this.#ended = undefined;
    }
    const { namesake } = core;
    const reported = before.namesake?.lives && before.namesake.candidate.key === namesake?.candidate.key;
    if (namesake?.lives && !reported) this.#hooks.event({ type: "id-taken", candidate: withJson(namesake.candidate) });
    const { queue } = core.view ?? {};
    if (!queue || queue === before.view?.queue) return;
    this.#hooks.event({ type: "queue-changed", queue: withJson(queue) });
    if (this.#described) this.#checkPublished(queue);
  }

  /** Keeps a timer that fires too early: a needless tick is harmless and cheaper than a new timer after each step. */
  #armTimer(): void {
    if (this.#closed) return;
    const now = this.now();
    const wait = Math.ceil(machine.nextTickMs(this.#core, now, this.#term?.used ?? false));
    const at = now.monotonic + wait;
    if (wait === Infinity || at >= this.#tickAt) return;
    this.#cancelTimer();
    this.#tickAt = at;
    this.#cancelTimer = this.#time.after(wait, () => {
      this.#tickAt = Infinity;
      if (machine.isDue(this.#core, this.now())) return this.dispatch({ type: "tick" });
      // A leader has only looked at its clocks; others, whether the queue is too old to name a leader.
      if (!this.#core.term) this.#hooks.changed();
      this.#armTimer();
    });
  }

  #perform(action: machine.Action): void {
    switch (action.type) {
      case "watch":
        return this.#watch(action.generation);
      case "report-data-loss":
        return this.#hooks.event({ type: "etcd-data-lost", token: action.token, revision: action.revision });
      case "drain":
        this.#draining = action.leaseId;
        return;
      case "grant":
        return this.#call(
          async (sentAt) => {
            const { leaseId, ttlMs } = await this.#store.grant(action.ttlMs, action.timeoutMs);
            this.#hooks.event({ type: "lease-granted", leaseId, ttlMs, requestedTtlMs: action.ttlMs });
            return { type: "granted", sentAt, leaseId, ttlMs };
          },
          () => ({ type: "grant-failed" }),
        );
      case "enqueue":
        return this.#call(
          async () => {
            const { token, first } = await this.#store.enqueue(action.key, action.leaseId, action.timeoutMs);
            this.#hooks.event({ type: "queued", key: action.key, token });
            return { type: "enqueued", leaseId: action.leaseId, token, first };
          },
          ({ failure }) => ({ type: "enqueue-failed", leaseId: action.leaseId, failure }),
        );
      case "renew":
        return this.#call(
          async (sentAt) => {
            const answer = await this.#store.renew(action.leaseId, action.timeoutMs);
            this.#hooks.event({ type: "lease-renewed", tookMs: this.now().monotonic - sentAt.monotonic });
            return { type: "renewed", leaseId: action.leaseId, sentAt, answer };
          },
          ({ failure, message }) => {
            this.#hooks.event({ type: "renewal-failed", message });
            return { type: "renew-failed", leaseId: action.leaseId, failure };
          },
        );
      case "guard":
        return this.#call(
          async (sentAt) => {
            const answer = await this.#store.guard(action.key, action.token, action.timeoutMs);
            return { type: "guarded", leaseId: action.leaseId, asFirst: action.asFirst, sentAt, answer };
          },
          () => ({ type: "guard-failed", leaseId: action.leaseId }),
        );
      case "withdraw":
        return this.#call(
          async () => {
            const { key, token, leaving, handoff, timeoutMs } = action;
            if (token) {
              await this.#store.withdraw(key, token, timeoutMs, { leaving, handoff }).catch((error) => {
                // Without permission to delete the key, the lease can still be revoked.
                if (!(error instanceof StoreError && error.failure === "refused")) throw error;
              });
              this.#withdrawn = action.leaseId;
              this.#checkSettled();
              await new Promise<void>((resolve) => this.#time.after(REVOKE_DELAY_MS, resolve));
            }
            await this.#store.revoke(action.leaseId, timeoutMs);
            return { type: "withdrawn", leaseId: action.leaseId };
          },
          () => ({ type: "withdraw-failed", leaseId: action.leaseId }),
        );
      case "revoke":
        return this.#call(
          async () => {
            await this.#store.revoke(action.leaseId, action.timeoutMs);
            return { type: "tick" };
          },
          () => ({ type: "tick" }),
        );
    }
  }

  /** Calls etcd; dispatches the result or the failure as an event. */
  #call(
    run: (sentAt: Instant) => Promise<machine.MachineEvent>,
    failed: (error: StoreError) => machine.MachineEvent,
  ): void {
    const sentAt = this.now();
    const call = run(sentAt).then(
      (event) => {
        this.health.ok("calls");
        this.dispatch(event);
      },
      (error) => {
        const failure = asStoreError(error);
        if (failure.failure === "lease-gone" || failure.failure === "changed") this.health.ok("calls");
        else this.health.failed("calls", failure, this.now());
        this.dispatch(failed(failure));
      },
    ).finally(() => this.#calls.delete(call));
    this.#calls.add(call);
  }

  #watch(generation: number): void {
    // The former watch, if it was not lost, is in doubt.
    this.#closeWatch("doubted");
    this.#closeWatch = this.#store.watch((notice) => {
      if (notice.type === "lost") this.health.failed("watch", notice.error, this.now());
      else if (notice.type === "alive") this.health.ok("watch");
      this.dispatch({ type: "watch", generation, notice });
    });
  }

  /** Has etcd show the candidate as it describes itself now. Resolves when it does, or when there is no key to show it. */
  async publish(): Promise<void> {
    this.#described = true;
    for (let failures = 0; !this.#closed && !this.#core.stopping; failures++) {
      const { campaign, settings: { self } } = this.#core;
      const own = campaign.stage === "queued"
        ? { key: machine.keyOf(this.#core, campaign.lease.id), token: campaign.token }
        : undefined;
      try {
        return await this.#store.update(self, own, callTimeoutMs(this.#core.settings.ttlMs));
      } catch (error) {
        this.health.failed("calls", asStoreError(error), this.now());
      }
      await new Promise<void>((resolve) => this.#time.after(RENEW_RETRY_MS, resolve));
    }
  }

  /** A leader that handed over to this candidate may have written an older description. */
  #checkPublished(queue: Queue): void {
    const lease = machine.leaseOf(this.#core);
    const own = lease && queue.find(({ key }) => key === machine.keyOf(this.#core, lease.id));
    if (!own) return;
    const { self } = this.#core.settings;
    if (this.#correcting || own.url === self.url && sameMeta(own.meta, self.meta)) return;
    // One at a time: as long as etcd takes no writes, each change of the queue would start another one.
    this.#correcting = true;
    this.publish().finally(() => this.#correcting = false);
  }

  /** Why etcd takes no writes at the moment, if it takes none: found out by writing the candidate's own key again. */
  async writeRefusal(): Promise<string | undefined> {
    const { campaign } = this.#core;
    if (campaign.stage !== "queued") return undefined;
    const { lease: { id, ttlMs }, token } = campaign;
    try {
      await this.#store.touch(machine.keyOf(this.#core, id), token, callTimeoutMs(ttlMs));
      return undefined;
    } catch (error) {
      return asStoreError(error).message;
    }
  }

  /** Milliseconds since etcd last confirmed the queue as this node knows it. */
  queueAgeMs(): number | undefined {
    const { view } = this.#core;
    return view && Math.max(0, elapsed(view.contact, this.now()));
  }
}

function asStoreError(error: unknown): StoreError {
  return error instanceof StoreError ? error : new StoreError("refused", String(error), { cause: error });
}

function sameState(a: RoleState, b: RoleState): boolean {
  if (a.role !== b.role || a.leader?.token !== b.leader?.token || a.leader?.id !== b.leader?.id) return false;
  if (a.leader?.url !== b.leader?.url || !sameMeta(a.leader?.meta, b.leader?.meta)) return false;
  return (a.role !== "leader" || b.role !== "leader" || a.term === b.term);
}

function sameMeta(a: Candidate["meta"], b: Candidate["meta"]): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}

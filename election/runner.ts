import { type Clock, elapsed, type Instant } from "./machine/clock.ts";
import type { ElectionEvent } from "./events.ts";
import { Health } from "./health.ts";
import * as machine from "./machine/mod.ts";
import type { RoleState } from "./state.ts";
import { type CloseWatch, type Store, StoreError } from "./store.ts";
import { OwnTerm } from "./term.ts";

/** What a runner tells its owner. */
export interface RunnerHooks {
  /** The role may have changed. */
  changed(): void;
  /** A term was ended: resolves once nobody works for an ended term any more; nothing if nobody does. */
  drained(): Promise<unknown> | undefined;
  /** Something worth a line in a log. */
  event(event: ElectionEvent): void;
}

/** How long a lease whose key is gone is kept: to revoke it must not hold up the question of the next leader. */
const YIELD_MS = 20;

/** Said while a term whose time is over is being ended. */
const UNDECIDED: RoleState = { role: "follower" };

/** The shell around the {@linkcode machine}: carries out its actions, feeds it events and time. */
export class Runner {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #hooks: RunnerHooks;
  readonly #health: Health;
  readonly #pending: machine.MachineEvent[] = [];
  readonly #calls = new Set<Promise<void>>();
  readonly #settled = new Set<() => void>();
  #core: machine.Core;
  #stepping = false;
  #closed = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** When the timer is due, by the monotonic clock. */
  #tickAt = Infinity;
  #closeWatch: CloseWatch = () => {};
  /** The lease whose work is to be waited for, until that is done. */
  #draining: bigint | undefined;
  #term: { readonly of: machine.Core["term"]; readonly term: OwnTerm } | undefined;
  #state: RoleState = { role: "connecting" };
  /** What the state was derived from. */
  #derived: { readonly core: machine.Core; readonly current: boolean } | undefined;

  constructor(settings: machine.MachineSettings, store: Store, clock: Clock, hooks: RunnerHooks) {
    this.#store = store;
    this.#clock = clock;
    this.#hooks = hooks;
    this.#health = new Health(hooks.event);
    this.#core = machine.start(settings, clock.now());
  }

  /** What is known at this moment. If the clock has overtaken the term, it ends here and now. */
  get core(): machine.Core {
    if (this.#core.term && !machine.leads(this.#core, this.now())) this.dispatch({ type: "tick" });
    return this.#core;
  }

  /** The role at this moment; the same object as long as nothing changed. */
  get state(): RoleState {
    const { core } = this;
    const now = this.now();
    if (core.term && !machine.leads(core, now)) return UNDECIDED;
    const current = machine.viewIsCurrent(core, now);
    if (core === this.#derived?.core && current === this.#derived.current) return this.#state;
    const next = this.#deriveState(core, current);
    if (!sameState(this.#state, next)) this.#state = next;
    this.#derived = { core, current };
    return this.#state;
  }

  now(): Instant {
    return this.#clock.now();
  }

  dispatch(event: machine.MachineEvent): void {
    this.#pending.push(event);
    // An abort listener may call back into the election: its event waits for its turn.
    if (this.#stepping) return;
    this.#stepping = true;
    for (let next = this.#pending.shift(); next; next = this.#pending.shift()) {
      const before = this.#core;
      const now = this.now();
      const { core, actions } = machine.step(before, next, now);
      this.#core = core;
      // Actions first: a guard or a delete should be on its way before anybody is told.
      for (const action of actions) this.#perform(action);
      this.#endTerm(before);
      this.#drain();
      this.#tell(before, now);
    }
    this.#stepping = false;
    this.#hooks.changed();
    for (const check of this.#settled) check();
    this.#armTimer();
  }

  /** Resolves once `done` says so of the state; it is asked after each step. */
  until(done: (core: machine.Core) => boolean): Promise<void> {
    return new Promise((resolve) => {
      const check = () => {
        if (!done(this.#core)) return;
        this.#settled.delete(check);
        resolve();
      };
      this.#settled.add(check);
      check();
    });
  }

  /** Lets go of everything once the machine is off. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#closeWatch();
    await Promise.all(this.#calls);
  }

  #deriveState(core: machine.Core, current: boolean): RoleState {
    if (core.stopping && core.campaign.stage === "off") return { role: "stopped" };
    if (core.term) {
      const { token, since } = core.term;
      const { id, url } = core.settings.self;
      const leader = { id, url, token, since: new Date(since.wall) };
      return { role: "leader", leader, term: this.#termOf(core.term) };
    }
    const { view } = core;
    if (!view || !current) return { role: "connecting" };
    const first = machine.observedLeader(core);
    if (!first) return { role: "follower" };
    const since = view.firstSince === undefined ? undefined : new Date(view.firstSince);
    return { role: "follower", leader: { id: first.id, url: first.url, token: first.token, since } };
  }

  #termOf(of: NonNullable<machine.Core["term"]>): OwnTerm {
    if (this.#term?.of !== of) {
      const key = machine.keyOf(this.#core, machine.leaseOf(this.#core)!.id);
      const validFor = () => this.core.term === of ? Math.max(0, machine.termRemaining(this.#core, this.now())) : 0;
      this.#term = { of, term: new OwnTerm(key, of.token, validFor) };
    }
    return this.#term.term;
  }

  #endTerm(before: machine.Core): void {
    if (!this.#term || this.#term.of === this.#core.term) return;
    const { term } = this.#term;
    this.#term = undefined;
    const reason = this.#core.ended ?? "key-gone";
    const endedAt = this.now();
    const left = reason === "key-gone" ? 0 : machine.termRemaining(before, endedAt);
    term.end(reason, () => Math.max(0, left - elapsed(endedAt, this.now())));
  }

  /** Waits for the work of a term that was ended; nobody's work is not waited for. */
  #drain(): void {
    const leaseId = this.#draining;
    if (leaseId === undefined) return;
    this.#draining = undefined;
    const drained = { type: "drained", leaseId } as const;
    const working = this.#hooks.drained();
    if (working) working.then(() => this.dispatch(drained));
    else this.#pending.push(drained);
  }

  /** Tells what came of a step. */
  #tell(before: machine.Core, now: Instant): void {
    const core = this.#core;
    if (core.term && machine.termRemaining(core, now) > (before.term ? machine.termRemaining(before, now) : 0)) {
      this.#hooks.event({ type: "term-extended", term: this.#termOf(core.term) });
    }
    const { queue } = core.view ?? {};
    if (queue && queue !== before.view?.queue) this.#hooks.event({ type: "queue-changed", queue });
  }

  /** A tick that comes too soon does no harm, and costs less than another timer after each step. */
  #armTimer(): void {
    if (this.#closed) return;
    const now = this.now();
    const wait = Math.ceil(machine.nextTickMs(this.#core, now));
    const at = now.monotonic + wait;
    if (wait === Infinity || at >= this.#tickAt) return;
    clearTimeout(this.#timer);
    this.#tickAt = at;
    this.#timer = setTimeout(() => {
      this.#tickAt = Infinity;
      this.dispatch({ type: "tick" });
    }, wait);
  }

  #perform(action: machine.Action): void {
    switch (action.type) {
      case "watch":
        return this.#watch(action.generation);
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
            const { token } = await this.#store.enqueue(action.key, action.leaseId, action.timeoutMs);
            this.#hooks.event({ type: "queued", key: action.key, token });
            return { type: "enqueued", leaseId: action.leaseId, token };
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
            return { type: "guarded", leaseId: action.leaseId, sentAt, answer };
          },
          () => ({ type: "guard-failed", leaseId: action.leaseId }),
        );
      case "withdraw":
        return this.#call(
          async () => {
            const { key, token, leaving, handoff, timeoutMs } = action;
            if (token) {
              await this.#store.withdraw(key, token, timeoutMs, { leaving, handoff }).catch((error) => {
                // Who may not delete its key may still give its lease back.
                if (!(error instanceof StoreError && error.failure === "refused")) throw error;
              });
              await new Promise((resolve) => setTimeout(resolve, YIELD_MS));
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

  /** One call to etcd: its answer, or its failure, comes back as an event. */
  #call(
    run: (sentAt: Instant) => Promise<machine.MachineEvent>,
    failed: (error: StoreError) => machine.MachineEvent,
  ): void {
    const sentAt = this.now();
    const call = run(sentAt).then(
      (event) => {
        this.#health.ok("calls");
        this.dispatch(event);
      },
      (error) => {
        const failure = asStoreError(error);
        if (failure.failure === "lease-gone" || failure.failure === "changed") this.#health.ok("calls");
        else this.#health.failed("calls", failure);
        this.dispatch(failed(failure));
      },
    ).finally(() => this.#calls.delete(call));
    this.#calls.add(call);
  }

  #watch(generation: number): void {
    // One that was not lost is doubted.
    this.#closeWatch("doubted");
    this.#closeWatch = this.#store.watch((notice) => {
      if (notice.type === "lost") this.#health.failed("watch", notice.error);
      else if (notice.type === "alive") this.#health.ok("watch");
      this.dispatch({ type: "watch", generation, notice });
    });
  }

  /** What keeps etcd from answering. */
  get etcdError(): string | undefined {
    return this.#health.error;
  }

  /** Milliseconds since the queue was surely as this node knows it. */
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
  return a.leader?.url === b.leader?.url && (a.role !== "leader" || b.role !== "leader" || a.term === b.term);
}

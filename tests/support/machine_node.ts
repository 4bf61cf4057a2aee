import { assert, assertEquals, assertExists } from "@std/assert";
import * as machine from "../../election/machine/mod.ts";
import type { Candidate } from "../../election/machine/queue.ts";
import { FakeClock } from "./clock.ts";

export const TTL = 5000;
export const LEASE = 0x1fn;
export const KEY = "jobs/1f";
export const TOKEN = 10n;

/** One node's decisions, driven by hand. */
export class Node {
  readonly clock = new FakeClock();
  #actions: machine.Action[] = [];
  core: machine.Core;
  #generation = 0;

  constructor(settings: Partial<machine.MachineSettings> = {}) {
    this.core = machine.start(
      { candidate: true, self: { id: "me" }, prefix: "jobs/", ttlMs: TTL, ...settings },
      this.clock.now(),
    );
    this.send({ type: "tick" });
  }

  get leads(): boolean {
    return machine.leads(this.core, this.clock.now());
  }

  send(event: machine.MachineEvent): void {
    const { core, actions } = machine.step(this.core, event, this.clock.now());
    this.core = core;
    this.#actions.push(...actions);
    for (const action of actions) if (action.type === "watch") this.#generation = action.generation;
  }

  pass(ms: number): void {
    this.clock.pass(ms);
    this.send({ type: "tick" });
  }

  /** Lets time pass as the runner does: with a tick whenever the machine wants one, and no other. */
  wait(ms: number): void {
    for (let ticks = 0; ticks < 10_000; ticks++) {
      const next = machine.nextTickMs(this.core, this.clock.now(), true);
      this.clock.pass(Math.min(next, ms));
      if (next > ms) return;
      ms -= next;
      if (machine.isDue(this.core, this.clock.now())) this.send({ type: "tick" });
      else this.#checkIdle();
    }
    assert(false, "ticks that are due at once for ever");
  }

  /** A tick that is not due must have nothing to do, as the runner leaves it out. */
  #checkIdle(): void {
    const { core, actions } = machine.step(this.core, { type: "tick" }, this.clock.now());
    assertEquals([core, actions], [this.core, []]);
  }

  /** The actions since the last time. */
  actions(): machine.Action[] {
    return this.#actions.splice(0);
  }

  /** The actions since the last time, by name. */
  did(): string[] {
    return this.#actions.splice(0).map(({ type }) => type);
  }

  /** The last action of this type since the last time. */
  take<T extends machine.Action["type"]>(type: T): machine.Action & { type: T } {
    const found = this.#actions.splice(0).findLast((action) => action.type === type);
    assertExists(found);
    return found as machine.Action & { type: T };
  }

  list(queue: Candidate[], revision: bigint, sentAt = this.clock.now()): void {
    const notice = { type: "listed", queue, revision, sentAt } as const;
    this.send({ type: "watch", generation: this.#generation, notice });
  }

  alive(sentAt = this.clock.now()): void {
    const notice = { type: "alive", sentAt } as const;
    this.send({ type: "watch", generation: this.#generation, notice });
  }

  deleted(key: string, revision: bigint): void {
    this.changed(this.core.view!.queue.filter((candidate) => candidate.key !== key), revision);
  }

  changed(queue: readonly Candidate[], revision: bigint, more = false): void {
    this.send({ type: "watch", generation: this.#generation, notice: { type: "changed", queue, revision, more } });
  }

  renewed({ sentAt = this.clock.now(), leaseId = LEASE, ttlMs = TTL } = {}): void {
    this.send({ type: "renewed", leaseId: LEASE, sentAt, answer: { leaseId, ttlMs } });
  }

  guarded({ sentAt = this.clock.now(), held = true, first = KEY, revision = TOKEN, asFirst = true } = {}): void {
    this.send({ type: "guarded", leaseId: LEASE, asFirst, sentAt, answer: { held, first, revision } });
  }

  /** The watch ends. */
  lost(): void {
    this.send({ type: "watch", generation: this.#generation, notice: { type: "lost" } });
  }

  /** Through grant and enqueueing; `first` is the first key of the queue then. */
  queue({ ttlMs = TTL, first = "jobs/0" } = {}): this {
    this.send({ type: "granted", sentAt: this.clock.now(), leaseId: LEASE, ttlMs });
    this.send({ type: "enqueued", leaseId: LEASE, token: TOKEN, first });
    return this;
  }

  /** Through everything; the key is a while old. */
  lead({ ttlMs = TTL } = {}): this {
    this.queue({ ttlMs });
    this.list([me], TOKEN);
    this.guarded();
    this.pass(1000);
    this.renewed({ ttlMs });
    this.guarded();
    assert(this.leads);
    this.did();
    return this;
  }
}

export const me: Candidate = { key: KEY, token: TOKEN, id: "me" };
export const other: Candidate = { key: "jobs/a", token: 5n, id: "other" };
export const second: Candidate = { key: "jobs/aa", token: 6n, id: "second" };
export const later: Candidate = { key: "jobs/b", token: 15n, id: "later" };

import { type Candidate, type Queue, type QueueChange, type Self, sortQueue } from "../../election/machine/queue.ts";
import type { GuardAnswer } from "../../election/machine/types.ts";
import type { WithdrawOptions } from "../../election/store.ts";
import type { Random } from "./random.ts";
import type { Schedule } from "./schedule.ts";

/** etcd's default election timeout; also what a new leader adds to every lease. */
const ELECTION_TIMEOUT_MS = 1000;
const SCAN_MS = 500;
/** How long a leader that was cut off may go on to acknowledge renewals. */
const STALE_LEADER_MS = 1900;

/** How long a member that was frozen goes on with what it knew, once it is thawed. */
const THAWED_MS = { least: 7, most: 23 };

interface Lease {
  /** The TTL that was asked for. */
  readonly askedMs: number;
  readonly grantedAt: number;
  /** The earliest true time at which the lease may expire. */
  expiresAt: number;
  /** The same as the leader sees it that answered the last renewal, which its successor may know nothing of. */
  answeredUntil: number;
}

/** What changed in one revision. */
export interface Revision {
  readonly revision: bigint;
  readonly changes: readonly QueueChange[];
}

/** Data that etcd can be restored from. */
export interface Backup {
  readonly keys: ReadonlyMap<string, Candidate & { leaseId: bigint }>;
  readonly leases: ReadonlyMap<bigint, Lease>;
  readonly revision: bigint;
}

/** Whether etcd can do something now; "silent" leaves the caller without an answer. */
type Health = "up" | "down" | "silent";

/**
 * etcd as far as an election is concerned: linearizable transactions on keys with create revisions,
 * leases that end late but never early, and a history that watches read and compactions cut.
 */
export class ModelEtcd {
  readonly #schedule: Schedule;
  readonly #trace: (text: string) => void;
  #keys = new Map<string, Candidate & { leaseId: bigint }>();
  #leases = new Map<bigint, Lease>();
  /** Leases that were revoked; some versions of etcd go on to renew them. */
  readonly #revoked = new Map<bigint, number>();
  #history: Revision[] = [];
  #revision = 1n;
  #compacted = 0n;
  #nextLease = 16n;
  #down = false;
  #noLeaderUntil = 0;
  #staleLeaderUntil = 0;
  /** How often it was started with other data. */
  restorations = 0;
  /** Called after each change. */
  onChange = () => {};
  /** Called when a key is created. */
  onCreated = (_candidate: Candidate) => {};
  /** Called when etcd itself takes keys away whose leases were renewed in time. */
  onTaken = (_keys: readonly Candidate[]) => {};
  /** The bug of etcd before 3.4.38 and 3.5.23: the renewal of a revoked lease succeeds. */
  renewsRevoked = false;
  /** The least TTL of each member: it follows from its election timeout. */
  minTtlsMs: readonly number[] = [2000];
  /** Which of them is the raft leader. */
  #leader = 0;
  /** Until when members may revoke leases that have been renewed. */
  #revokesUntil = 0;

  constructor(schedule: Schedule, trace: (text: string) => void) {
    this.#schedule = schedule;
    this.#trace = trace;
    const scan = () => {
      this.#expire();
      schedule.after(SCAN_MS, scan);
    };
    schedule.after(SCAN_MS, scan);
  }

  get revision(): bigint {
    return this.#revision;
  }

  get keys(): Queue {
    return sortQueue(this.#keys.values());
  }

  keysOf(leaseId: bigint): Candidate[] {
    return [...this.#keys.values()].filter((candidate) => candidate.leaseId === leaseId);
  }

  get leaseIds(): bigint[] {
    return [...this.#leases.keys()];
  }

  /** Whether all faults of etcd's have had their effect: nobody is frozen, and nothing is revoked late any more. */
  get isSettled(): boolean {
    return this.health === "up" && this.#schedule.now >= this.#revokesUntil;
  }

  get health(): Health {
    return this.#down ? "down" : this.#schedule.now < this.#noLeaderUntil ? "silent" : "up";
  }

  grant(ttlMs: number): { leaseId: bigint; ttlMs: number } {
    const leaseId = this.#nextLease++;
    const { now } = this.#schedule;
    const until = now + this.#ttlMs(ttlMs);
    this.#leases.set(leaseId, { askedMs: ttlMs, grantedAt: now, expiresAt: until, answeredUntil: until });
    // Any member may answer, with what it would grant itself.
    return { leaseId, ttlMs: Math.max(ttlMs, ...this.minTtlsMs) };
  }

  /** The TTL of a lease as the raft leader counts it. */
  #ttlMs(askedMs: number): number {
    return Math.max(askedMs, this.minTtlsMs[this.#leader]!);
  }

  /** Renews a lease; while there is no leader, the former one may still say yes, to no effect. */
  renew(leaseId: bigint): { leaseId: bigint; ttlMs: number } | "silent" {
    const lease = this.#leases.get(leaseId);
    // The former leader knows nothing of what its successor granted.
    const known = lease !== undefined && lease.grantedAt < this.#staleLeaderUntil - STALE_LEADER_MS;
    const stale = known && this.#schedule.now < this.#staleLeaderUntil;
    if (this.health === "silent" && !stale) return "silent";
    if (!lease) return { leaseId, ttlMs: this.renewsRevoked ? this.#revoked.get(leaseId) ?? 0 : 0 };
    const ttlMs = this.#ttlMs(lease.askedMs);
    lease.answeredUntil = this.#schedule.now + ttlMs;
    if (!stale) lease.expiresAt = lease.answeredUntil;
    return { leaseId, ttlMs };
  }

  enqueue(key: string, leaseId: bigint, self: Self): { token: bigint; first: string } | "lease-gone" {
    const there = this.#keys.get(key);
    if (there) return { token: there.token, first: this.keys[0]!.key };
    if (!this.#leases.has(leaseId)) return "lease-gone";
    const candidate = { key, token: this.#revision + 1n, ...self, leaseId };
    this.#keys.set(key, candidate);
    this.onCreated(candidate);
    this.#commit([{ type: "put", candidate }]);
    return { token: candidate.token, first: this.keys[0]!.key };
  }

  guard(key: string, token: bigint): GuardAnswer {
    const revision = this.#revision;
    if (this.#keys.get(key)?.token !== token) return { held: false, revision };
    return { held: true, first: this.keys[0]!.key, revision };
  }

  withdraw(key: string, token: bigint, { handoff, leaving }: WithdrawOptions = {}): "done" | "changed" {
    const isThere = (one: { key: string; token: bigint }) => this.#keys.get(one.key)?.token === one.token;
    const own = { key, token };
    if (!isThere(own)) return "done";
    if (handoff && ![...handoff.passed, handoff.to].every(isThere)) return "changed";
    const deleted = [own, ...handoff?.passed ?? []];
    for (const { key } of deleted) this.#keys.delete(key);
    const changes: QueueChange[] = deleted.map(({ key }) => ({ type: "delete", key }));
    const to = handoff && this.#keys.get(handoff.to.key);
    if (to && leaving) {
      // As the leader knew it.
      const candidate = { ...to, meta: handoff.to.meta, after: { token, left: leaving } };
      this.#keys.set(to.key, candidate);
      changes.push({ type: "put", candidate });
    }
    this.#commit(changes);
    return "done";
  }

  /** Whether the key is still there. */
  update(key: string, token: bigint, { meta }: Self): boolean {
    const before = this.#keys.get(key);
    if (before?.token !== token) return false;
    const candidate = { ...before, meta, after: undefined };
    this.#keys.set(key, candidate);
    this.#commit([{ type: "put", candidate }]);
    return true;
  }

  delete(key: string): void {
    if (this.#keys.delete(key)) this.#commit([{ type: "delete", key }]);
  }

  revoke(leaseId: bigint): void {
    const lease = this.#leases.get(leaseId);
    if (!lease) return;
    this.#revoked.set(leaseId, lease.askedMs);
    this.#end(leaseId);
  }

  /** The history after a revision, or nothing if part of it is compacted. */
  since(revision: bigint): readonly Revision[] | undefined {
    if (revision < this.#compacted) return undefined;
    return this.#history.filter((one) => one.revision > revision);
  }

  compact(): void {
    this.#compacted = this.#revision;
    this.#history = [];
  }

  stop(): void {
    this.#down = true;
  }

  /** Starts again after a stop: every lease begins anew. */
  start(): void {
    this.#down = false;
    this.#promote(0);
  }

  /** A backup of the data as it is now. */
  backup(): Backup {
    return { keys: new Map(this.#keys), leases: new Map(this.#leases), revision: this.#revision };
  }

  /** Starts with the data of a backup, or with none: revisions and leases are those of then. */
  restore({ keys, leases, revision }: Backup = { keys: new Map(), leases: new Map(), revision: 1n }): void {
    this.#keys = new Map(keys);
    this.#leases = new Map([...leases].map(([id, lease]) => [id, { ...lease }]));
    this.#revision = revision;
    this.#compacted = revision;
    this.#history = [];
    this.restorations++;
    this.start();
  }

  /**
   * The raft leader is lost: nobody commits for a while, and the old one may not know it yet. What it has begun
   * to revoke is revoked `lateMs` after the election, whatever the new leader says of the leases until then.
   */
  loseLeader(electionMs: number, lateMs: number): void {
    const { now } = this.#schedule;
    const silentMs = ELECTION_TIMEOUT_MS + electionMs;
    this.#noLeaderUntil = now + silentMs;
    this.#staleLeaderUntil = now + STALE_LEADER_MS;
    this.#revokesLater(silentMs + lateMs);
    this.#schedule.after(silentMs, () => {
      const { now } = this.#schedule;
      const doomed = [...this.#leases].filter(([, lease]) => Math.max(lease.expiresAt, lease.answeredUntil) <= now);
      for (const [leaseId] of doomed) {
        this.#schedule.after(lateMs, () => {
          this.#trace(`etcd: lease ${leaseId.toString(16)} is revoked late`);
          this.revoke(leaseId);
        });
      }
    });
    this.#promote(silentMs);
  }

  /**
   * The raft leader freezes, and thaws when another one leads: before it knows that, it revokes what has run out by what
   * it knows, whoever has renewed it since. Every version of etcd does that.
   */
  freezeLeader(electionMs: number, frozenMs: number, random: Random): void {
    const known = [...this.#leases].map(([leaseId, { expiresAt }]) => [leaseId, expiresAt] as const);
    const silentMs = ELECTION_TIMEOUT_MS + electionMs;
    this.#noLeaderUntil = this.#schedule.now + silentMs;
    this.#promote(silentMs);
    const thawsAfter = Math.max(silentMs, frozenMs);
    this.#revokesLater(thawsAfter + THAWED_MS.most);
    this.#schedule.after(thawsAfter, () => {
      const over = known.filter(([, expiresAt]) => expiresAt <= this.#schedule.now && random.chance(0.8));
      for (const [leaseId] of over) {
        this.#schedule.after(random.between(THAWED_MS.least, THAWED_MS.most), () => {
          if (this.health !== "up" || !this.#leases.has(leaseId)) return;
          this.#trace(`etcd: lease ${leaseId.toString(16)} is revoked by a thawed member`);
          this.onTaken(this.keysOf(leaseId));
          this.revoke(leaseId);
        });
      }
    });
  }

  #revokesLater(withinMs: number): void {
    this.#revokesUntil = Math.max(this.#revokesUntil, this.#schedule.now + withinMs);
  }

  /** The next member leads, and extends every lease. */
  #promote(delay: number): void {
    this.#schedule.after(delay, () => {
      this.#leader = (this.#leader + 1) % this.minTtlsMs.length;
      for (const lease of this.#leases.values()) {
        lease.expiresAt = this.#schedule.now + this.#ttlMs(lease.askedMs) + ELECTION_TIMEOUT_MS;
      }
    });
  }

  #expire(): void {
    if (this.health !== "up") return;
    for (const [leaseId, { expiresAt }] of this.#leases) {
      if (expiresAt > this.#schedule.now) continue;
      this.#trace(`etcd: lease ${leaseId.toString(16)} expires`);
      this.#end(leaseId);
    }
  }

  #end(leaseId: bigint): void {
    this.#leases.delete(leaseId);
    const ended = this.keysOf(leaseId);
    for (const { key } of ended) this.#keys.delete(key);
    if (ended.length > 0) this.#commit(ended.map(({ key }) => ({ type: "delete", key })));
  }

  #commit(changes: QueueChange[]): void {
    this.#revision++;
    this.#history.push({ revision: this.#revision, changes });
    this.onChange();
  }
}

import type { Candidate, Queue, TermEndReason } from "../election/mod.ts";

/** Why a term ended, as far as this node knows. */
export type EndReason =
  /** The leader resigned or stopped. */
  | "resigned"
  /** The leader handed over to a given candidate. */
  | "switchover"
  /** The leader's process died, and its watchdog revoked the lease. */
  | "crashed"
  /** The lease expired. Only the former leader itself knows this. */
  | "expired"
  /** The key was deleted or the lease revoked. Only the former leader itself knows this. */
  | "key-gone"
  /** Either of the last two: other nodes cannot tell them apart. */
  | "unknown";

/** The reasons as texts. The page has the same. */
export const END_REASON_TEXTS: Readonly<Record<EndReason, string>> = {
  resigned: "resigned",
  switchover: "switched over",
  crashed: "crashed; its watchdog revoked the lease",
  expired: "lease expired",
  "key-gone": "key deleted or lease revoked",
  unknown: "lease expired or key deleted",
};

/** One term that this node has seen. */
export interface TermRecord {
  readonly token: bigint;
  readonly id: string;
  readonly url?: string;
  /** When this node saw it begin; for a leader from before that, when it queued, if known. */
  readonly from?: Date;
  /** When this node saw it end; absent while it lasts. */
  readonly to?: Date;
  readonly ended?: EndReason;
}

const OWN_REASONS = { resigned: "resigned", stopped: "resigned", expired: "expired", "key-gone": "key-gone" } as const;

const MAX_TERMS = 200;

/** The terms that a node has seen since it started, the newest last. */
export class History {
  readonly #terms: TermRecord[] = [];
  #hasSeenQueue = false;
  #changes = 0;
  #revision = 0;
  #leaderlessMs = 0;
  #leaderlessSince: number | undefined = performance.now();

  /** The terms, the newest last. */
  get terms(): readonly TermRecord[] {
    return this.#terms;
  }

  /** How many times this node has seen the leader change. */
  get changes(): number {
    return this.#changes;
  }

  /** Incremented by each change of the terms. */
  get revision(): number {
    return this.#revision;
  }

  /** Total time in which this node knew no leader, in milliseconds. */
  get leaderlessMs(): number {
    return this.#leaderlessMs + (this.#leaderlessSince === undefined ? 0 : performance.now() - this.#leaderlessSince);
  }

  /** Starts or stops the time without a leader. */
  setLeaderKnown(known: boolean): void {
    if (known) {
      this.#leaderlessMs = this.leaderlessMs;
      this.#leaderlessSince = undefined;
    } else this.#leaderlessSince ??= performance.now();
  }

  /** Updates the terms after a change of the queue, whose first candidate leads. */
  update(queue: Queue, now = new Date()): void {
    const first = queue[0];
    const last = this.#terms.at(-1);
    const same = last && first && last.token === first.token && last.id === first.id;
    // This node's own term ends before its key is deleted.
    if (same && last.to) return;
    if (!same) {
      const handoffReason = first?.after?.token === last?.token ? first?.after?.left : undefined;
      if (last && !last.to) this.#replace({ ...last, to: now, ended: handoffReason ?? last.ended ?? "unknown" });
      // This node's own term has ended before; to whom it handed over is told here.
      else if (last && handoffReason) this.#replace({ ...last, ended: handoffReason });
      if (first) this.#begin(first, now);
    } else if (first.leaving) this.#replace({ ...last, ended: first.leaving });
    this.#hasSeenQueue = true;
  }

  /** This node leads from now on, a moment after its key became the first; or again on the same key. */
  ownTermBegan(token: bigint, now = new Date()): void {
    const last = this.#terms.at(-1);
    if (last?.token !== token) return;
    if (last.to) this.#terms.push({ ...last, from: now, to: undefined, ended: undefined });
    else this.#replace({ ...last, from: now });
    this.#revision++;
  }

  /** This node's own term has ended, for a known reason. */
  ownTermEnded(token: bigint, reason: TermEndReason, now = new Date()): void {
    const index = this.#terms.findLastIndex((term) => term.token === token);
    const term = this.#terms[index];
    if (!term) return;
    const isKnown = term.ended !== undefined && term.ended !== "unknown";
    if (isKnown && term.to) return;
    this.#terms[index] = { ...term, to: term.to ?? now, ended: isKnown ? term.ended : OWN_REASONS[reason] };
    this.#revision++;
  }

  #begin({ token, id, url, since }: Candidate, now: Date): void {
    // The first leader may have led before this node started; its start is then the time it queued.
    if (this.#terms.length > 0) this.#changes++;
    this.#terms.push({ token, id, url, from: this.#hasSeenQueue ? now : since });
    if (this.#terms.length > MAX_TERMS) this.#terms.shift();
    this.#revision++;
  }

  #replace(term: TermRecord): void {
    this.#terms[this.#terms.length - 1] = term;
    this.#revision++;
  }
}

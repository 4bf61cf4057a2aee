import type { Candidate, Queue, TermEndReason } from "../election/mod.ts";

/** Why a term ended, as far as this node could see. */
export type EndReason =
  /** The leader resigned or stopped. */
  | "resigned"
  /** The leader handed over to a candidate that was named. */
  | "switchover"
  /** The leader's process died, and its watchdog revoked the lease. */
  | "crashed"
  /** The lease expired: the leader died without a watchdog, was frozen or cut off. Only the leader itself can tell. */
  | "expired"
  /** The key was deleted or the lease revoked. Only the leader itself can tell. */
  | "key-gone"
  /** One of the last two. */
  | "unknown";

/** The same for a person; the page has these words too. */
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
  /** When it was seen to begin, if that was seen. */
  readonly from?: Date;
  /** When it was seen to end, if it has. */
  readonly to?: Date;
  readonly ended?: EndReason;
}

/** A lease that by its own clock has not run out was taken away. */
const OWN_REASONS = { resigned: "resigned", stopped: "resigned", expired: "expired", "key-gone": "key-gone" } as const;

const MAX_TERMS = 200;

/** The terms that a node has seen since it started, the newest last. */
export class History {
  readonly #terms: TermRecord[] = [];
  #began = false;
  #changes = 0;
  #leaderlessMs = 0;
  #leaderlessSince: number | undefined = performance.now();

  /** The terms, the newest last. */
  get terms(): readonly TermRecord[] {
    return this.#terms;
  }

  /** How often the lead has changed. */
  get changes(): number {
    return this.#changes;
  }

  /** Milliseconds in all in which this node knew no leader. */
  get leaderlessMs(): number {
    return this.#leaderlessMs + (this.#leaderlessSince === undefined ? 0 : performance.now() - this.#leaderlessSince);
  }

  /** Takes note of whether a leader is known. */
  leaderIs(known: boolean): void {
    if (known) {
      this.#leaderlessMs = this.leaderlessMs;
      this.#leaderlessSince = undefined;
    } else this.#leaderlessSince ??= performance.now();
  }

  /** Takes note of who is first in the queue. */
  seen(queue: Queue, now = new Date()): void {
    const first = queue[0];
    const last = this.#terms.at(-1);
    const same = last && first && last.token === first.token && last.id === first.id;
    // This node's own term ends before its key goes.
    if (same && last.to) return;
    if (!same) {
      const handoffReason = first?.after?.token === last?.token ? first?.after?.left : undefined;
      if (last && !last.to) this.#replace({ ...last, to: now, ended: handoffReason ?? last.ended ?? "unknown" });
      if (first) this.#begin(first, now);
    } else if (first.leaving) this.#replace({ ...last, ended: first.leaving });
    this.#began = true;
  }

  /** This node leads again on the same key. */
  ownTermBegan(token: bigint, now = new Date()): void {
    const last = this.#terms.at(-1);
    if (last?.token === token && last.to) this.#terms.push({ ...last, from: now, to: undefined, ended: undefined });
  }

  /** This node's own term has ended, and it knows why. */
  ownTermEnded(token: bigint, reason: TermEndReason, now = new Date()): void {
    const index = this.#terms.findLastIndex((term) => term.token === token);
    const term = this.#terms[index];
    if (!term || (term.ended && term.ended !== "unknown")) return;
    this.#terms[index] = { ...term, to: term.to ?? now, ended: OWN_REASONS[reason] };
  }

  #begin({ token, id, url, since }: Candidate, now: Date): void {
    // The first one led before anybody looked: not before it queued.
    if (this.#terms.length > 0) this.#changes++;
    this.#terms.push({ token, id, url, from: this.#began ? now : since });
    if (this.#terms.length > MAX_TERMS) this.#terms.shift();
  }

  #replace(term: TermRecord): void {
    this.#terms[this.#terms.length - 1] = term;
  }
}

import { elapsed, type Instant } from "./clock.ts";
import { callTimeoutMs, defaultStopBudgetMs, remaining } from "./deadline.ts";
import type { Candidate } from "./queue.ts";
import { WITHDRAW_ATTEMPTS } from "./transitions.ts";
import type { Core, In, KeptLease, Lease } from "./types.ts";

/** Whether this node leads. The only place where that is decided. */
export function leads(core: Core, now: Instant): boolean {
  return core.term !== undefined && termRemaining(core, now) > stopBudgetMs(core);
}

/** Milliseconds for which leadership is guaranteed; 0 or less when it may be lost. */
export function termRemaining({ campaign }: Core, now: Instant): number {
  if (campaign.stage !== "queued" || campaign.guardedAt === undefined) return 0;
  // A renewal alone is not enough: old etcd servers renew leases that were revoked, or that a newer raft leader let
  // expire. So the older of the last renewal and the last guard counts.
  const { lease, guardedAt } = campaign;
  return Math.min(leaseRemaining(lease, now), remaining(guardedAt, lease.ttlMs, now));
}

/** Milliseconds for which the work of a term that ended may go on; 0 or less when another node may lead. */
export function drainRemaining({ campaign }: Core, now: Instant): number {
  if (campaign.stage !== "draining") return 0;
  const { lease, since, kept, lapsed } = campaign;
  if (lapsed) return 0;
  if (!kept) return remaining(since, lease.ttlMs, now);
  return Math.min(leaseRemaining(lease, now), remaining(kept.guardedAt, lease.ttlMs, now));
}

/** How the lease of a term that ended is kept for its work, as long as `drainMs` allows that. */
export function keptLease({ settings }: Core, { kept }: In<"draining">, now: Instant): KeptLease | undefined {
  return kept && elapsed(kept.endedAt, now) < (settings.drainMs ?? 0) ? kept : undefined;
}

/**
 * Milliseconds for which a leader that leaves waits for its first list of the queue, to know the next leader: one that
 * led by the transaction that created its key may not have it yet. 0 or less when it does not wait.
 */
export function viewWaitMs({ view, watch }: Core, { lease, leaving, leftAt }: In<"draining">, now: Instant): number {
  return view || !watch.open || !leaving ? 0 : callTimeoutMs(lease.ttlMs) - elapsed(leftAt, now);
}

/** Milliseconds for which the end of the work is waited for. */
export function drainWait(core: Core, now: Instant): number {
  const { campaign } = core;
  return campaign.stage === "draining" && campaign.lapsed
    ? remaining(campaign.since, campaign.lease.ttlMs, now)
    : drainRemaining(core, now);
}

/** Whether the queue is recent enough to name a leader. */
export function viewIsCurrent({ view, settings }: Core, now: Instant): boolean {
  return view !== undefined && elapsed(view.contact, now) <= settings.ttlMs;
}

/** The lease that the candidate holds, if any. */
export function leaseOf({ campaign }: Core): Lease | undefined {
  return "lease" in campaign ? campaign.lease : undefined;
}

/**
 * A lease as etcd has answered it. etcd raises short TTLs to the least that the member which answers has, and the next
 * raft leader may have less. No member has less than what was asked for.
 */
export function leaseFrom({ settings }: Core, id: bigint, grantedMs: number, sentAt: Instant): Lease {
  return { id, ttlMs: Math.min(grantedMs, settings.ttlMs), grantedMs, sentAt };
}

/** The key of a lease in this election. */
export function keyOf({ settings }: Core, leaseId: bigint): string {
  return settings.prefix + leaseId.toString(16);
}

/**
 * The leader according to the watch, if it is another node. A key with our own identity, such as the one that a crashed
 * predecessor left, counts as no leader, unless it lives longer than such a key can.
 */
export function observedLeader({ view, namesake, settings: { candidate, self } }: Core): Candidate | undefined {
  const first = view?.queue[0];
  const isOurs = candidate && first?.id === self.id;
  return isOurs && !(namesake?.lives && namesake.candidate.key === first.key) ? undefined : first;
}

/** Whether the candidate is leaving the queue; false after several failed attempts to withdraw. */
export function isLeaving({ campaign }: Core): boolean {
  return campaign.stage === "draining" ||
    (campaign.stage === "withdrawing" && (campaign.attempts < WITHDRAW_ATTEMPTS || campaign.call === "sent"));
}

/** Whether this candidate asks with its guards if it leads: it is the first, as far as it knows. */
export function claims(core: Core): boolean {
  return core.campaign.stage === "queued" && (core.campaign.guardedAt !== undefined || isFirst(core));
}

/** Whether the view is that of the watch that is open now. */
export function isOfWatch({ view, watch }: Core): boolean {
  return watch.open && view?.generation === watch.generation;
}

/** Whether the view shows our key as the first. */
export function isFirst(core: Core): boolean {
  return isAt(core, 0);
}

/** Whether the view shows our key as the next one after the leader's. */
export function isNext(core: Core): boolean {
  return isAt(core, 1);
}

function isAt(core: Core, place: number): boolean {
  const { campaign, view } = core;
  return campaign.stage === "queued" && view?.queue[place]?.key === keyOf(core, campaign.lease.id);
}

/** Milliseconds for which a lease is guaranteed; 0 or less when it may have expired. */
export function leaseRemaining({ sentAt, ttlMs }: Lease, now: Instant): number {
  return remaining(sentAt, ttlMs, now);
}

/** Milliseconds between the abort of the term's signal and the earliest expiry of its lease. */
export function stopBudgetMs(core: Core): number {
  return core.settings.stopBudgetMs ?? defaultStopBudgetMs(leaseOf(core)?.ttlMs ?? core.settings.ttlMs);
}

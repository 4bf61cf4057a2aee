import { elapsed, type Instant } from "./clock.ts";
import { defaultStopBudgetMs, remaining } from "./deadline.ts";
import type { Candidate } from "./queue.ts";
import { WITHDRAW_ATTEMPTS } from "./transitions.ts";
import type { Core, Lease } from "./types.ts";

/** Whether this node may say that it leads. The only place where that is decided. */
export function leads(core: Core, now: Instant): boolean {
  return core.term !== undefined && termRemaining(core, now) > stopBudgetMs(core);
}

/** Milliseconds for which the term's lease surely holds; 0 or less when it may have ended. */
export function termRemaining({ campaign }: Core, now: Instant): number {
  if (campaign.stage !== "queued" || campaign.guardedAt === undefined) return 0;
  // The renewal alone is not enough: old etcd servers renew leases that are revoked or that a newer
  // raft leader let expire. So a term lives from the older of its last renewal and its last guard.
  const { lease, guardedAt } = campaign;
  return Math.min(leaseRemaining(lease, now), remaining(guardedAt, lease.ttlMs, now));
}

/** Whether the queue is recent enough to name a leader. */
export function viewIsCurrent({ view, settings }: Core, now: Instant): boolean {
  return view !== undefined && elapsed(view.contact, now) <= settings.ttlMs;
}

/** The lease that the candidate holds, if any. */
export function leaseOf({ campaign }: Core): Lease | undefined {
  return "lease" in campaign ? campaign.lease : undefined;
}

/** The key of a lease in this election. */
export function keyOf({ settings }: Core, leaseId: bigint): string {
  return settings.prefix + leaseId.toString(16);
}

/**
 * The candidate that leads as far as the watch tells, if that is somebody else. A key of our own that
 * does not make us leader, such as the one that a crashed predecessor left, is nobody's lead.
 */
export function observedLeader({ view, settings: { candidate, self } }: Core): Candidate | undefined {
  const first = view?.queue[0];
  return candidate && first?.id === self.id && first.url === self.url ? undefined : first;
}

/** Whether the candidate is on its way out of the queue, and etcd has not failed to let it go several times. */
export function isLeaving({ campaign }: Core): boolean {
  return campaign.stage === "draining" ||
    (campaign.stage === "withdrawing" && (campaign.attempts < WITHDRAW_ATTEMPTS || campaign.call === "sent"));
}

/** Whether this candidate should ask etcd if it leads. */
export function contests(core: Core): boolean {
  return core.campaign.stage === "queued" && (core.campaign.guardedAt !== undefined || isFirst(core));
}

/** Whether the view shows our key as the first. */
export function isFirst(core: Core): boolean {
  const { campaign, view } = core;
  const first = view?.queue[0];
  return campaign.stage === "queued" && first !== undefined && first.token === campaign.token &&
    first.key === keyOf(core, campaign.lease.id);
}

/** Milliseconds for which a lease certainly holds; 0 or less when it may have ended. */
export function leaseRemaining({ sentAt, ttlMs }: Lease, now: Instant): number {
  return remaining(sentAt, ttlMs, now);
}

/** Milliseconds between the term's signal and the end of its lease. */
export function stopBudgetMs(core: Core): number {
  return core.settings.stopBudgetMs ?? defaultStopBudgetMs(leaseOf(core)?.ttlMs ?? core.settings.ttlMs);
}

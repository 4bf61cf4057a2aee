import { elapsed, type Instant } from "./clock.ts";
import { drainRemaining, leaseRemaining } from "./queries.ts";
import { draining, endTerm, withdrawing } from "./transitions.ts";
import type { Action, Core } from "./types.ts";

/**
 * Moves to the end of the queue if the lease may have expired at any time: etcd may have started to revoke it then and
 * carry that out only now, whatever it answered in between. Also if renewals succeed, but no guard was answered for one
 * TTL: a candidate that cannot ask whether it leads must not block the queue.
 */
export function dropLapsed(core: Core, now: Instant, actions: Action[]): Core {
  const { campaign } = core;
  if (campaign.stage === "draining" && !campaign.lapsed && drainRemaining(core, now) <= 0) {
    // Perhaps only by the wall clock, which was set forward: the work, which has no time left now, ends first.
    return { ...core, campaign: { ...campaign, since: now, kept: undefined, lapsed: true } };
  }
  if (campaign.stage !== "enqueueing" && campaign.stage !== "queued") return core;
  const { lease } = campaign;
  const guardPendingSince = campaign.stage === "queued" ? campaign.guardPendingSince : undefined;
  if (leaseRemaining(lease, now) > 0 && !(guardPendingSince && elapsed(guardPendingSince, now) > lease.ttlMs)) {
    return core;
  }
  if (campaign.stage === "enqueueing") return { ...core, campaign: withdrawing(lease, undefined, now) };
  actions.push({ type: "drain", leaseId: lease.id });
  return endTerm({ ...core, campaign: draining(lease, campaign.token, now, now) }, "expired");
}

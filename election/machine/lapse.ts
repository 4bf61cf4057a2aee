import { elapsed, type Instant } from "./clock.ts";
import { leaseRemaining } from "./queries.ts";
import { draining, endTerm, withdrawing } from "./transitions.ts";
import type { Action, Core } from "./types.ts";

/**
 * Leaves the queue for the end of it if the lease may once have run out. etcd may have begun to revoke it then
 * and come to it only now, whatever it said of the lease or the key in between. Also if etcd renews the lease, but has
 * not answered a guard for a TTL: one who may not ask shall not be in the way of others.
 */
export function dropLapsed(core: Core, now: Instant, actions: Action[]): Core {
  const { campaign } = core;
  if (campaign.stage !== "enqueueing" && campaign.stage !== "queued") return core;
  const { lease } = campaign;
  const asked = campaign.stage === "queued" ? campaign.askedSince : undefined;
  if (leaseRemaining(lease, now) > 0 && !(asked && elapsed(asked, now) > lease.ttlMs)) return core;
  if (campaign.stage === "enqueueing") return { ...core, campaign: withdrawing(lease, undefined, now) };
  actions.push({ type: "drain", leaseId: lease.id });
  return endTerm({ ...core, campaign: draining(lease, campaign.token, now) }, "expired");
}

import type { Instant } from "./clock.ts";
import { callTimeoutMs, remaining } from "./deadline.ts";
import {
  claims,
  drainWait,
  isFirst,
  isNext,
  isOfWatch,
  keptLease,
  keyOf,
  leads,
  leaseRemaining,
  stopBudgetMs,
  termRemaining,
  viewWaitMs,
} from "./queries.ts";
import { type Handoff, isQueued, planHandoff } from "./queue.ts";
import { endTerm, isDue, lose, WITHDRAW_ATTEMPTS, withdrawing } from "./transitions.ts";
import type { Action, Core, In } from "./types.ts";

/** Decides what to do, given all facts and the clock. */
export function decide(core: Core, now: Instant, actions: Action[]): Core {
  if (!leads(core, now)) core = endTerm(core, "expired");
  core = decideLoss(core, now, actions);
  if (!core.watch.open && !core.stopping && isDue(core.watch.next, now)) {
    const generation = core.watch.generation + 1;
    actions.push({ type: "watch", generation });
    core = { ...core, watch: { open: true, failures: core.watch.failures, generation } };
  }
  return { ...core, ...decideCampaign(core, now, actions) };
}

/** Ends the campaign if the view shows that our key is gone or was replaced. */
function decideLoss(core: Core, now: Instant, actions: Action[]): Core {
  const { campaign, view } = core;
  // A former watch may have shown an older state, or even another etcd.
  const since = campaign.stage === "queued"
    ? campaign.since
    : campaign.stage === "draining"
    ? campaign.kept?.queuedSince
    : undefined;
  if (!since || !("token" in campaign) || campaign.token === undefined) return core;
  if (!isOfWatch(core) || !view) return core;
  const { token } = campaign;
  if (view.revision < token) {
    // It may have been read before our key existed. If it was read later, etcd has gone back in time.
    if (view.contact.monotonic <= since.monotonic) return core;
    actions.push({ type: "report-data-loss", token, revision: view.revision });
  } else if (isQueued(view.queue, keyOf(core, campaign.lease.id), token)) return core;
  actions.push({ type: "revoke", leaseId: campaign.lease.id, timeoutMs: callTimeoutMs(campaign.lease.ttlMs) });
  return lose(core, now);
}

function decideCampaign(core: Core, now: Instant, actions: Action[]): Partial<Core> {
  const { campaign, stopping, settings } = core;
  switch (campaign.stage) {
    case "idle":
      if (stopping) return { campaign: { stage: "off" } };
      if (!isDue(campaign.next, now)) break;
      actions.push({ type: "grant", ttlMs: settings.ttlMs, timeoutMs: callTimeoutMs(settings.ttlMs) });
      return { campaign: { stage: "granting", failures: campaign.failures } };
    case "enqueueing": {
      if (stopping) return { campaign: withdraw(core, withdrawing(campaign.lease, undefined, now), actions) };
      if (!isDue(campaign.call, now)) break;
      const { id, ttlMs } = campaign.lease;
      actions.push({ type: "enqueue", leaseId: id, key: keyOf(core, id), timeoutMs: callTimeoutMs(ttlMs) });
      return { campaign: { ...campaign, call: "sent", since: campaign.since ?? now } };
    }
    case "queued":
      return decideQueued(core, campaign, now, actions);
    case "draining": {
      const { lease, token, drained, leaving, to } = campaign;
      const waits = !drained || viewWaitMs(core, campaign, now) > 0;
      if (waits && drainWait(core, now) > 0) return { campaign: keep(core, campaign, now, actions) };
      return { campaign: withdraw(core, { ...withdrawing(lease, token, now), leaving, to }, actions) };
    }
    case "withdrawing":
      if (isDue(campaign.call, now)) return { campaign: withdraw(core, campaign, actions) };
  }
  return {};
}

function decideQueued(
  core: Core,
  campaign: In<"queued">,
  now: Instant,
  actions: Action[],
): Pick<Core, "campaign" | "term"> {
  if (takesOver(core, campaign, now)) {
    // The answer to an earlier guard may be on its way; only a new one can tell of what happens from now on.
    campaign = { ...campaign, guardedAt: campaign.heldAt, guard: { since: now, afterMs: 0 } };
  } else if (hasBecomeFirst(core, campaign)) campaign = { ...campaign, guard: { since: now, afterMs: 0 } };
  core = { ...core, campaign };
  const { lease, token, guardPendingSince } = campaign;
  const timeoutMs = callTimeoutMs(lease.ttlMs);
  const renew = isDue(campaign.renewal, now);
  if (renew) actions.push({ type: "renew", leaseId: lease.id, timeoutMs });
  const asFirst = claims(core);
  const guard = (asFirst || isNext(core)) && (isDue(campaign.guard, now) || (renew && campaign.guard !== "sent"));
  if (guard) actions.push({ type: "guard", leaseId: lease.id, key: keyOf(core, lease.id), token, asFirst, timeoutMs });
  const safe = termRemaining(core, now) > stopBudgetMs(core);
  return {
    campaign: {
      ...campaign,
      renewal: renew ? "sent" : campaign.renewal,
      guard: guard ? "sent" : campaign.guard,
      guardPendingSince: guard && asFirst ? guardPendingSince ?? now : guardPendingSince,
    },
    term: core.term ?? (safe ? { token, since: now } : undefined),
  };
}

/**
 * Whether this candidate may lead at once, on what etcd answered while it waited: its predecessor has handed over to it,
 * in the transaction that deleted its own key after its work. Then nobody else can lead before our key is gone, and the
 * lease and the guard say that it is there. Never if anything else took the predecessor's key away: it may not know yet.
 */
function takesOver(core: Core, { guardedAt, heldAt, lease }: In<"queued">, now: Instant): boolean {
  const { view } = core;
  if (guardedAt || !heldAt || !view?.handedOver || view.more || !isFirst(core) || !isOfWatch(core)) return false;
  // A term that is about to end would be of no use.
  return Math.min(leaseRemaining(lease, now), remaining(heldAt, lease.ttlMs, now)) >= lease.ttlMs / 2;
}

/** Whether this candidate has become the first, and has not asked etcd yet if it leads. */
function hasBecomeFirst(core: Core, { guardedAt, guardPendingSince }: In<"queued">): boolean {
  return !guardedAt && !guardPendingSince && isFirst(core) && isOfWatch(core);
}

/** Sends what keeps the lease, if that is due and the work may still take its time. */
function keep(core: Core, campaign: In<"draining">, now: Instant, actions: Action[]): In<"draining"> {
  const kept = keptLease(core, campaign, now);
  if (!kept) return campaign;
  const { lease, token } = campaign;
  const timeoutMs = callTimeoutMs(lease.ttlMs);
  const renew = isDue(kept.renewal, now);
  if (renew) actions.push({ type: "renew", leaseId: lease.id, timeoutMs });
  const guard = isDue(kept.guard, now) || (renew && kept.guard !== "sent");
  const key = keyOf(core, lease.id);
  if (guard) actions.push({ type: "guard", leaseId: lease.id, key, token, asFirst: true, timeoutMs });
  const { renewal, guard: lastGuard } = kept;
  return { ...campaign, kept: { ...kept, renewal: renew ? "sent" : renewal, guard: guard ? "sent" : lastGuard } };
}

function withdraw(
  core: Core,
  campaign: In<"withdrawing">,
  actions: Action[],
): In<"withdrawing"> {
  const { lease, token, leaving, attempts } = campaign;
  const timeoutMs = callTimeoutMs(lease.ttlMs);
  // The last attempt is unconditional: it must not fail because the queue changes meanwhile.
  const handoff = attempts < WITHDRAW_ATTEMPTS - 1 ? handoffOf(core, campaign) : undefined;
  const key = keyOf(core, lease.id);
  actions.push({ type: "withdraw", leaseId: lease.id, key, token, leaving, handoff, timeoutMs });
  return { ...campaign, call: "sent", attempts: attempts + 1 };
}

/** The handoff, if one is needed: to record why we leave, or because the next leader is not the next in the queue. */
function handoffOf({ view }: Core, { token, leaving, to }: In<"withdrawing">): Handoff | undefined {
  if (token === undefined || view?.queue[0]?.token !== token) return undefined;
  const handoff = planHandoff(view.queue, token, to);
  return handoff && (leaving || handoff.passed.length > 0) ? handoff : undefined;
}

import { elapsed, type Instant } from "./clock.ts";
import { callTimeoutMs } from "./deadline.ts";
import { contests, drainRemaining, keyOf, leads, stopBudgetMs, termRemaining } from "./queries.ts";
import { type Handoff, isQueued, planHandoff } from "./queue.ts";
import { endTerm, isDue, lose, WITHDRAW_ATTEMPTS, withdrawing } from "./transitions.ts";
import type { Action, Core, In } from "./types.ts";

/** Decides what to do, given all facts and the clock. */
export function decide(core: Core, now: Instant, actions: Action[]): Core {
  if (core.term && !leads(core, now)) core = endTerm(core, "expired");
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
  const { campaign, view, watch } = core;
  // A former watch may have shown an older state, or even another etcd.
  const since = campaign.stage === "queued"
    ? campaign.since
    : campaign.stage === "draining"
    ? campaign.kept?.queuedSince
    : undefined;
  if (!since || !("token" in campaign) || campaign.token === undefined) return core;
  if (!watch.open || view?.generation !== watch.generation) return core;
  const { token } = campaign;
  if (view.revision < token) {
    // It may have been read before our key existed. If it was read later, etcd has gone back in time.
    if (view.contact.monotonic <= since.monotonic) return core;
    actions.push({ type: "report-data-loss", token, revision: view.revision });
  } else if (isQueued(view.queue, keyOf(core, campaign.lease.id), token)) return core;
  actions.push({ type: "revoke", leaseId: campaign.lease.id, timeoutMs: callTimeoutMs(campaign.lease.ttlMs) });
  return lose(core, now);
}

function decideCampaign(core: Core, now: Instant, actions: Action[]): Pick<Core, "campaign" | "term"> {
  const { campaign, stopping, settings, term } = core;
  switch (campaign.stage) {
    case "idle":
      if (stopping) return { campaign: { stage: "off" }, term };
      if (!isDue(campaign.next, now)) break;
      actions.push({ type: "grant", ttlMs: settings.ttlMs, timeoutMs: callTimeoutMs(settings.ttlMs) });
      return { campaign: { stage: "granting", failures: campaign.failures }, term };
    case "enqueueing": {
      if (stopping) return { campaign: withdraw(core, withdrawing(campaign.lease, undefined, now), actions), term };
      if (!isDue(campaign.call, now)) break;
      const { id, ttlMs } = campaign.lease;
      actions.push({ type: "enqueue", leaseId: id, key: keyOf(core, id), timeoutMs: callTimeoutMs(ttlMs) });
      return { campaign: { ...campaign, call: "sent" }, term };
    }
    case "queued":
      return decideQueued(core, campaign, now, actions);
    case "draining": {
      const { lease, token, drained, leaving, to } = campaign;
      if (!drained && drainRemaining(core, now) > 0) return { campaign: keep(core, campaign, now, actions), term };
      return { campaign: withdraw(core, { ...withdrawing(lease, token, now), leaving, to }, actions), term };
    }
    case "withdrawing":
      if (isDue(campaign.call, now)) return { campaign: withdraw(core, campaign, actions), term };
      break;
  }
  return { campaign, term };
}

function decideQueued(
  core: Core,
  campaign: In<"queued">,
  now: Instant,
  actions: Action[],
): Pick<Core, "campaign" | "term"> {
  const { lease, token } = campaign;
  const timeoutMs = callTimeoutMs(lease.ttlMs);
  const renew = isDue(campaign.renewal, now);
  if (renew) actions.push({ type: "renew", leaseId: lease.id, timeoutMs });
  const guard = contests(core) && (isDue(campaign.guard, now) || (renew && campaign.guard !== "sent"));
  if (guard) actions.push({ type: "guard", leaseId: lease.id, key: keyOf(core, lease.id), token, timeoutMs });
  const safe = termRemaining(core, now) > stopBudgetMs(core);
  return {
    campaign: {
      ...campaign,
      renewal: renew ? "sent" : campaign.renewal,
      guard: guard ? "sent" : campaign.guard,
      guardPendingSince: guard ? campaign.guardPendingSince ?? now : campaign.guardPendingSince,
    },
    term: core.term ?? (safe ? { token, since: now } : undefined),
  };
}

/** Sends what keeps the lease, if that is due and the work may still take its time. */
function keep(core: Core, campaign: In<"draining">, now: Instant, actions: Action[]): In<"draining"> {
  const { kept, lease, token } = campaign;
  if (!kept || elapsed(kept.endedAt, now) >= (core.settings.drainMs ?? 0)) return campaign;
  const timeoutMs = callTimeoutMs(lease.ttlMs);
  const renew = isDue(kept.renewal, now);
  if (renew) actions.push({ type: "renew", leaseId: lease.id, timeoutMs });
  const guard = isDue(kept.guard, now) || (renew && kept.guard !== "sent");
  if (guard) actions.push({ type: "guard", leaseId: lease.id, key: keyOf(core, lease.id), token, timeoutMs });
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

import { elapsed, type Instant } from "./clock.ts";
import { wallCheckMs } from "./deadline.ts";
import {
  claims,
  drainWait,
  leaseRemaining,
  stopBudgetMs,
  termRemaining,
  viewIsCurrent,
  viewWaitMs,
} from "./queries.ts";
import type { Call, Core } from "./types.ts";

/** Milliseconds until the next `tick` is due. */
export function nextTickMs(core: Core, now: Instant): number {
  const waits: number[] = [];
  const wait = (call: Call) => call === "sent" || waits.push(call.afterMs - elapsed(call.since, now));
  const { campaign, watch, view } = core;
  if (!watch.open && !core.stopping) wait(watch.next);
  if (view && viewIsCurrent(core, now)) waits.push(core.settings.ttlMs - elapsed(view.contact, now) + 1);
  switch (campaign.stage) {
    case "idle":
      wait(campaign.next);
      break;
    case "queued":
      wait(campaign.renewal);
      waits.push(leaseRemaining(campaign.lease, now));
      if (claims(core)) wait(campaign.guard);
      if (core.term) waits.push(wallCheckMs(stopBudgetMs(core)), termRemaining(core, now) - stopBudgetMs(core));
      break;
    case "draining":
      waits.push(drainWait(core, now));
      if (campaign.drained) waits.push(viewWaitMs(core, campaign, now));
      if (campaign.kept && elapsed(campaign.kept.endedAt, now) < (core.settings.drainMs ?? 0)) {
        waits.push(wallCheckMs(stopBudgetMs(core)));
        wait(campaign.kept.renewal);
        wait(campaign.kept.guard);
      }
      break;
    case "enqueueing":
      waits.push(leaseRemaining(campaign.lease, now));
      wait(campaign.call);
      break;
    case "withdrawing":
      wait(campaign.call);
      break;
  }
  return Math.max(0, Math.min(...waits));
}

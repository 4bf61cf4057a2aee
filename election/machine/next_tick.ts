import { elapsed, type Instant } from "./clock.ts";
import { wallCheckMs } from "./deadline.ts";
import {
  claims,
  drainWait,
  keptLease,
  leaseRemaining,
  stopBudgetMs,
  termRemaining,
  viewIsCurrent,
  viewWaitMs,
} from "./queries.ts";
import type { Call, Core } from "./types.ts";

/**
 * Milliseconds until a `tick` may have something to do, or the wall clock is to be looked at. `termIsUsed`: somebody
 * depends on the end of the term.
 */
export function nextTickMs(core: Core, now: Instant, termIsUsed: boolean): number {
  const looks = watchesClock(core, now, termIsUsed) ? wallCheckMs(stopBudgetMs(core)) : Infinity;
  return Math.max(0, Math.min(dueMs(core, now), looks));
}

/** Whether a `tick` has something to do by these clocks. */
export function isDue(core: Core, now: Instant): boolean {
  return dueMs(core, now) <= 0;
}

/** Whether work depends on a lease, which runs out while the machine is suspended, too, when timers do not advance. */
function watchesClock(core: Core, now: Instant, termIsUsed: boolean): boolean {
  const { campaign, term } = core;
  if (campaign.stage === "queued") return term !== undefined && termIsUsed;
  return campaign.stage === "draining" && keptLease(core, campaign, now) !== undefined;
}

function dueMs(core: Core, now: Instant): number {
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
      if (core.term) waits.push(termRemaining(core, now) - stopBudgetMs(core));
      break;
    case "draining": {
      waits.push(drainWait(core, now));
      if (campaign.drained) waits.push(viewWaitMs(core, campaign, now));
      const kept = keptLease(core, campaign, now);
      if (kept) {
        wait(kept.renewal);
        wait(kept.guard);
      }
      break;
    }
    case "enqueueing":
      waits.push(leaseRemaining(campaign.lease, now));
      wait(campaign.call);
      break;
    case "withdrawing":
      wait(campaign.call);
      break;
  }
  return Math.min(...waits);
}

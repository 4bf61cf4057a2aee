import type { TermEndReason } from "../errors.ts";
import type { Instant } from "./clock.ts";
import { renewEveryMs } from "./deadline.ts";
import { isFirst, keyOf, leaseFrom, leaseOf } from "./queries.ts";
import { keepLease, recordDraining } from "./record_draining.ts";
import { recordQueued } from "./record_queued.ts";
import { recordNotice } from "./record_view.ts";
import { backOffMs, draining, endTerm, idle, retry, WITHDRAW_ATTEMPTS } from "./transitions.ts";
import type { Action, Core, In, MachineEvent } from "./types.ts";

/** Records an event as facts. */
export function record(core: Core, event: MachineEvent, now: Instant, actions: Action[]): Core {
  const { campaign } = core;
  switch (event.type) {
    case "tick":
      return core;
    case "watch":
      return recordNotice(core, event.generation, event.notice, now);
    case "described":
      return { ...core, settings: { ...core.settings, self: event.self } };
    case "stop":
      return leave({ ...core, stopping: true }, "stopped", now, actions);
    case "resign":
      return core.term || isFirst(core) ? leave(core, "resigned", now, actions, event.to) : core;
    case "granted": {
      if (campaign.stage !== "granting") return core;
      const lease = leaseFrom(core, event.leaseId, event.ttlMs, event.sentAt);
      return { ...core, campaign: { stage: "enqueueing", lease, call: { since: now, afterMs: 0 } } };
    }
    case "grant-failed":
      if (campaign.stage !== "granting") return core;
      return {
        ...core,
        campaign: {
          stage: "idle",
          next: { since: now, afterMs: backOffMs(campaign.failures) },
          failures: campaign.failures + 1,
        },
      };
  }
  // All other events answer a call for one lease; ignore those for a former lease.
  if (leaseOf(core)?.id !== event.leaseId) return core;
  if (campaign.stage === "enqueueing") return recordEnqueue(core, campaign, event, now);
  if (campaign.stage === "queued") return recordQueued(core, campaign, event, now, actions);
  if (campaign.stage === "draining") return recordDraining(core, campaign, event, now, actions);
  if (campaign.stage === "withdrawing") return recordWithdraw(core, campaign, event, now);
  return core;
}

function recordEnqueue(core: Core, campaign: In<"enqueueing">, event: MachineEvent, now: Instant): Core {
  if (event.type === "enqueued") {
    const { lease, since: sentAt = now } = campaign;
    const isFirst = event.first === keyOf(core, lease.id);
    return {
      ...core,
      campaign: {
        stage: "queued",
        lease,
        token: event.token,
        since: now,
        renewal: { since: lease.sentAt, afterMs: renewEveryMs(lease.ttlMs) },
        // The transaction has read the first key too, so it counts as a guard.
        guard: { since: sentAt, afterMs: renewEveryMs(lease.ttlMs) },
        ...isFirst ? { guardedAt: sentAt } : { heldAt: sentAt },
      },
    };
  }
  if (event.type === "enqueue-failed") {
    return event.failure === "lease-gone"
      ? { ...core, campaign: idle(now) }
      : { ...core, campaign: { ...campaign, call: retry(now) } };
  }
  return core;
}

function recordWithdraw(core: Core, campaign: In<"withdrawing">, event: MachineEvent, now: Instant): Core {
  const failed = event.type === "withdraw-failed";
  if (!failed && event.type !== "withdrawn") return core;
  const { attempts } = campaign;
  // When stopping, give up after some attempts: the lease expires. Otherwise keep trying: the key blocks the queue.
  if (failed && !(core.stopping && attempts >= WITHDRAW_ATTEMPTS)) {
    return { ...core, campaign: { ...campaign, call: { since: now, afterMs: backOffMs(attempts - 1) } } };
  }
  return { ...core, campaign: idle(now) };
}

/** Starts to leave the queue. */
function leave(core: Core, reason: TermEndReason, now: Instant, actions: Action[], to?: bigint): Core {
  const { campaign } = core;
  if (campaign.stage !== "queued") return core;
  const { lease, token } = campaign;
  const leaving = core.term && (to === undefined ? "resigned" : "switchover");
  actions.push({ type: "drain", leaseId: lease.id });
  const kept = core.term && core.settings.drainMs ? keepLease(campaign, now) : undefined;
  return endTerm({ ...core, campaign: { ...draining(lease, token, lease.sentAt, now), leaving, to, kept } }, reason);
}

import type { Instant } from "./clock.ts";
import { callTimeoutMs, renewEveryMs } from "./deadline.ts";
import { keyOf } from "./queries.ts";
import { closeWatch, endTerm, lose, retry } from "./transitions.ts";
import type { Action, Core, In, MachineEvent } from "./types.ts";

/** Records the answers to renewals and guards of a candidate in the queue. */
export function recordQueued(
  core: Core,
  campaign: In<"queued">,
  event: MachineEvent,
  now: Instant,
  actions: Action[],
): Core {
  const { lease } = campaign;
  switch (event.type) {
    case "renewed": {
      const { leaseId, ttlMs } = event.answer;
      if (leaseId !== lease.id || ttlMs <= 0) return lose(core, now);
      return {
        ...core,
        campaign: {
          ...campaign,
          lease: { id: leaseId, ttlMs, sentAt: event.sentAt },
          renewal: { since: event.sentAt, afterMs: renewEveryMs(ttlMs) },
        },
      };
    }
    case "renew-failed":
      if (event.failure === "lease-gone") return lose(core, now);
      return { ...core, campaign: { ...campaign, renewal: retry(now) } };
    case "guarded":
      if (!event.answer.held) {
        const { revision } = event.answer;
        if (revision < campaign.token) actions.push({ type: "report-data-loss", token: campaign.token, revision });
        actions.push({ type: "revoke", leaseId: lease.id, timeoutMs: callTimeoutMs(lease.ttlMs) });
        return lose(core, now);
      }
      if (event.answer.first !== keyOf(core, lease.id)) {
        // The view was wrong: another candidate is before us.
        const doubted = closeWatch(endTerm(core, "key-gone"), now);
        const next = { guardedAt: undefined, guardPendingSince: undefined, guard: retry(now) };
        return { ...doubted, campaign: { ...campaign, ...next } };
      }
      return {
        ...core,
        campaign: {
          ...campaign,
          guardedAt: event.sentAt,
          guardPendingSince: undefined,
          guard: { since: event.sentAt, afterMs: renewEveryMs(lease.ttlMs) },
        },
      };
    case "guard-failed":
      return { ...core, campaign: { ...campaign, guard: retry(now) } };
    default:
      return core;
  }
}

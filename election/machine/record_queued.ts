import type { Instant } from "./clock.ts";
import { callTimeoutMs, renewEveryMs } from "./deadline.ts";
import { claims, isOfWatch, keyOf, leaseFrom } from "./queries.ts";
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
      const renewed = leaseFrom(core, leaseId, ttlMs, event.sentAt);
      const renewal = { since: event.sentAt, afterMs: renewEveryMs(renewed.ttlMs) };
      return { ...core, campaign: { ...campaign, lease: renewed, renewal } };
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
      return { ...core, ...recordGuard(core, campaign, event, now) };
    case "guard-failed":
      // One who waits has time until the next renewal.
      return {
        ...core,
        campaign: {
          ...campaign,
          guard: claims(core) ? retry(now) : { since: now, afterMs: renewEveryMs(lease.ttlMs) },
        },
      };
    default:
      return core;
  }
}

/** Records a guard that found our key in the queue. */
function recordGuard(
  core: Core,
  campaign: In<"queued">,
  { answer, asFirst, sentAt }: MachineEvent & { type: "guarded" },
  now: Instant,
): Partial<Core> {
  const { lease } = campaign;
  const guard = { since: sentAt, afterMs: renewEveryMs(lease.ttlMs) };
  if (answer.first === keyOf(core, lease.id)) {
    return { campaign: { ...campaign, guardedAt: sentAt, guardPendingSince: undefined, guard } };
  }
  // Sent while another one was the first: that we are the first since is no contradiction.
  if (!asFirst) return { campaign: { ...campaign, heldAt: sentAt, guard } };
  // The view was wrong: another candidate is before us. Of a former watch it may be; the next one is not to be put off.
  const ended = endTerm(core, "key-gone");
  const doubted = isOfWatch(core) ? closeWatch(ended, now) : ended;
  const unsure = { guardedAt: undefined, heldAt: undefined, guardPendingSince: undefined };
  return { ...doubted, campaign: { ...campaign, ...unsure, guard: retry(now) } };
}

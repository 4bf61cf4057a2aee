import type { Instant } from "./clock.ts";
import { callTimeoutMs, renewEveryMs } from "./deadline.ts";
import { keyOf, leaseFrom } from "./queries.ts";
import { lose, retry } from "./transitions.ts";
import type { Action, Core, In, KeptLease, MachineEvent } from "./types.ts";

/** Goes on renewing the lease of a leader that leaves. */
export function keepLease({ renewal, guard, guardedAt, since }: In<"queued">, now: Instant): KeptLease | undefined {
  return guardedAt && { renewal, guard, guardedAt, queuedSince: since, endedAt: now };
}

/** Records what is answered to a candidate that waits for its work to finish. */
export function recordDraining(
  core: Core,
  campaign: In<"draining">,
  event: MachineEvent,
  now: Instant,
  actions: Action[],
): Core {
  if (event.type === "drained") return { ...core, campaign: { ...campaign, drained: true } };
  const { lease, kept } = campaign;
  if (!kept) return core;
  const keep = (next: Partial<KeptLease>): Core => ({ ...core, campaign: { ...campaign, kept: { ...kept, ...next } } });
  switch (event.type) {
    case "renewed": {
      const { leaseId, ttlMs } = event.answer;
      if (leaseId !== lease.id || ttlMs <= 0) return lose(core, now);
      const renewed = leaseFrom(core, leaseId, ttlMs, event.sentAt);
      const renewal = { since: event.sentAt, afterMs: renewEveryMs(renewed.ttlMs) };
      return { ...core, campaign: { ...campaign, lease: renewed, kept: { ...kept, renewal } } };
    }
    case "renew-failed":
      return event.failure === "lease-gone" ? lose(core, now) : keep({ renewal: retry(now) });
    case "guarded":
      if (event.answer.held && event.answer.first === keyOf(core, lease.id)) {
        return keep({ guardedAt: event.sentAt, guard: { since: event.sentAt, afterMs: renewEveryMs(lease.ttlMs) } });
      }
      // Sent while another one was the first.
      if (event.answer.held && !event.asFirst) return core;
      actions.push({ type: "revoke", leaseId: lease.id, timeoutMs: callTimeoutMs(lease.ttlMs) });
      return lose(core, now);
    case "guard-failed":
      return keep({ guard: retry(now) });
    default:
      return core;
  }
}

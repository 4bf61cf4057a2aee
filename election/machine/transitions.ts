import type { TermEndReason } from "../errors.ts";
import { elapsed, type Instant } from "./clock.ts";
import { RENEW_RETRY_MS } from "./deadline.ts";
import type { Call, Campaign, Core, Due, In, Lease } from "./types.ts";

const FIRST_RETRY_MS = 100;
const MAX_RETRY_MS = 1000;

/** The number of attempts after which a stopping candidate lets its lease expire instead. */
export const WITHDRAW_ATTEMPTS = 3;

/** The stage before a campaign. */
export function idle(now: Instant, afterMs = 0): Campaign {
  return { stage: "idle", next: { since: now, afterMs }, failures: 0 };
}

/** The stage that waits for the work of the term to finish. */
export function draining(lease: Lease, token: bigint, since: Instant, leftAt: Instant): In<"draining"> {
  return { stage: "draining", lease, token, since, leftAt, drained: false };
}

/** The stage that deletes the key and revokes the lease. */
export function withdrawing(lease: Lease, token: bigint | undefined, now: Instant): In<"withdrawing"> {
  return { stage: "withdrawing", lease, token, call: { since: now, afterMs: 0 }, attempts: 0 };
}

/** Ends the term, if there is one. */
export function endTerm(core: Core, reason: TermEndReason): Core {
  return core.term ? { ...core, term: undefined, ended: reason } : core;
}

/** The key or its lease is gone: ends the term and starts a new campaign with a new lease. */
export function lose(core: Core, now: Instant): Core {
  const { campaign } = core;
  // If the key was deleted right after its creation, wait before retrying, so as not to load etcd.
  const soon = campaign.stage === "queued" && elapsed(campaign.since, now) < MAX_RETRY_MS;
  return endTerm({ ...core, campaign: idle(now, soon ? RENEW_RETRY_MS : 0) }, "key-gone");
}

/** Closes the watch; the next one opens after an increasing delay. */
export function closeWatch(core: Core, now: Instant): Core {
  const { failures, generation } = core.watch;
  const next = { since: now, afterMs: backOffMs(failures) };
  return { ...core, watch: { open: false, next, failures: failures + 1, generation } };
}

/** Schedules the retry of a call. */
export function retry(now: Instant): Due {
  return { since: now, afterMs: RENEW_RETRY_MS };
}

/** The delay after a number of consecutive failures. */
export function backOffMs(failures: number): number {
  return Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** failures);
}

/** Whether a call is due. */
export function isDue(call: Call, now: Instant): boolean {
  return call !== "sent" && elapsed(call.since, now) >= call.afterMs;
}

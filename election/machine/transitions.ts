import type { TermEndReason } from "../errors.ts";
import { elapsed, type Instant } from "./clock.ts";
import { RENEW_RETRY_MS } from "./deadline.ts";
import type { Call, Campaign, Core, Due, In, Lease } from "./types.ts";

const FIRST_RETRY_MS = 100;
const MAX_RETRY_MS = 1000;

/** How often a withdrawal is tried before a stopping candidate leaves the rest to the lease. */
export const WITHDRAW_ATTEMPTS = 3;

/** Before a campaign. */
export function idle(now: Instant, afterMs = 0): Campaign {
  return { stage: "idle", next: { since: now, afterMs }, failures: 0 };
}

/** Waits for the work of the term to end. */
export function draining(lease: Lease, token: bigint, since: Instant): In<"draining"> {
  return { stage: "draining", lease, token, since, drained: false };
}

/** Deletes the key and revokes the lease. */
export function withdrawing(lease: Lease, token: bigint | undefined, now: Instant): In<"withdrawing"> {
  return { stage: "withdrawing", lease, token, call: { since: now, afterMs: 0 }, attempts: 0 };
}

/** Ends the term, if there is one. */
export function endTerm(core: Core, reason: TermEndReason): Core {
  return core.term ? { ...core, term: undefined, ended: reason } : core;
}

/** The key or its lease is gone: stop at once, queue again with a new lease. */
export function lose(core: Core, now: Instant): Core {
  const { campaign } = core;
  // Whoever takes our keys away as fast as we make them shall not keep etcd busy with us.
  const soon = campaign.stage === "queued" && elapsed(campaign.since, now) < MAX_RETRY_MS;
  return endTerm({ ...core, campaign: idle(now, soon ? RENEW_RETRY_MS : 0) }, "key-gone");
}

/** Closes the watch; the next one opens after a pause that grows. */
export function closeWatch(core: Core, now: Instant): Core {
  const { failures, generation } = core.watch;
  const next = { since: now, afterMs: backOffMs(failures) };
  return { ...core, watch: { open: false, next, failures: failures + 1, generation } };
}

/** Tries a call again soon. */
export function retry(now: Instant): Due {
  return { since: now, afterMs: RENEW_RETRY_MS };
}

/** The pause after so many failures in a row. */
export function backOffMs(failures: number): number {
  return Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** failures);
}

/** Whether it is time for a call. */
export function isDue(call: Call, now: Instant): boolean {
  return call !== "sent" && elapsed(call.since, now) >= call.afterMs;
}

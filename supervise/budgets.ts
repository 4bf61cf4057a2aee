import type { Term } from "../election/mod.ts";
import type { WatchdogMessage } from "./watchdog_messages.ts";

/** Milliseconds before the end of the lease by which nothing of the command may run any more. */
export function killBeforeMs(ttlMs: number): number {
  return ttlMs / 10;
}

/** Of the TTL, the share that a command can have between SIGTERM and SIGKILL when the lease is lost. */
const LOST_SHARE = 0.39;

/** Milliseconds that a command has to end in when its lease is lost: the grace, as far as the TTL allows. */
export function lostGraceMs(stopGraceMs: number, ttlMs: number): number {
  return Math.min(stopGraceMs, LOST_SHARE * ttlMs);
}

/** Milliseconds that the election must leave between a term's signal and the end of its lease. */
export function stopBudgetMs(stopGraceMs: number, ttlMs: number): number {
  return lostGraceMs(stopGraceMs, ttlMs) + killBeforeMs(ttlMs);
}

/** When the watchdog must act on the command of this term: a little later than the node itself would. */
export function watchdogDeadline(
  term: Term,
  stopGraceMs: number,
  ttlMs: number,
): WatchdogMessage & { type: "deadline" } {
  const left = term.stopWithin();
  return {
    type: "deadline",
    sentAt: Date.now(),
    stopMs: left - stopBudgetMs(stopGraceMs, ttlMs),
    killMs: left - killBeforeMs(ttlMs) / 2,
  };
}

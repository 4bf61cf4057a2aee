import type { Term } from "../election/mod.ts";
import type { WatchdogMessage } from "./watchdog_messages.ts";

/** Milliseconds before the end of the lease by which nothing of the command may run any more. */
export function killBeforeMs(ttlMs: number): number {
  return ttlMs / 10;
}

/** Milliseconds that the election must leave between a term's signal and the end of its lease. */
export function stopBudgetMs(stopGraceMs: number, ttlMs: number): number {
  return stopGraceMs + killBeforeMs(ttlMs);
}

/** When the watchdog must act on the command of this term: a little later than the node itself would. */
export function watchdogDeadline(
  term: Term,
  stopGraceMs: number,
  ttlMs: number,
): WatchdogMessage & { type: "deadline" } {
  const left = term.validFor();
  return {
    type: "deadline",
    sentAt: Date.now(),
    stopMs: left - stopBudgetMs(stopGraceMs, ttlMs),
    killMs: left - killBeforeMs(ttlMs) / 2,
  };
}

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

/** Milliseconds for which a command may still be started in a term: one that starts at its end could not be ended. */
export function mayStartForMs(term: Pick<Term, "validFor">, ttlMs: number): number {
  return term.validFor() - killBeforeMs(ttlMs);
}

/** How a command is being stopped by its node. */
export interface Stopping {
  /** Milliseconds since it was asked to end. */
  readonly forMs: number;
  /** Milliseconds for which the lease holds: see `stopWithin` of a term. */
  readonly leaseMs: number;
  readonly stopGraceMs: number;
  readonly ttlMs: number;
}

/** Milliseconds that it still has before it is killed: what is left of the grace, if the lease holds for so long. */
export function graceLeftMs({ forMs, leaseMs, stopGraceMs, ttlMs }: Stopping): number {
  return Math.min(stopGraceMs - forMs, leaseMs - killBeforeMs(ttlMs));
}

/** When the watchdog must act on the command of this term: a little later than the node itself would. */
export function watchdogDeadline(
  term: Pick<Term, "stopWithin">,
  stopGraceMs: number,
  ttlMs: number,
  sentAt: number,
): WatchdogMessage & { type: "deadline" } {
  const left = term.stopWithin();
  return {
    type: "deadline",
    sentAt,
    stopMs: left - stopBudgetMs(stopGraceMs, ttlMs),
    killMs: left - killBeforeMs(ttlMs) / 2,
  };
}

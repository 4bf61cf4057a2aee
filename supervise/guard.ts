import { elapsed, type Instant } from "../election/internal.ts";
import type { WatchdogMessage } from "./watchdog_messages.ts";

/** The node sends SIGTERM itself, if it can: so much later it is done for it. */
const STOP_SLACK_MS = 50;

/** Until when a command may run, as its node has told. */
export interface Deadline {
  readonly since: Instant;
  readonly stopMs: number;
  readonly killMs: number;
}

/** What a watchdog knows of the command that it guards; without a `pid`, none runs. */
export interface Guarded {
  readonly pid?: number;
  readonly stopping?: boolean;
  readonly deadline?: Deadline;
}

/** What a watchdog does to a command whose node lets it run for too long: it is frozen, or stuck in its own code. */
export interface GuardStep {
  readonly guarded: Guarded;
  readonly signal?: "SIGTERM" | "SIGKILL";
  /** Milliseconds until the next step is due, if nothing is told before. */
  readonly againMs?: number;
}

/** The next step, at this moment. */
export function guard(guarded: Guarded, now: Instant): GuardStep {
  const { pid, stopping, deadline } = guarded;
  if (pid === undefined || !deadline) return { guarded };
  const age = elapsed(deadline.since, now);
  if (age >= deadline.killMs) return { guarded: { deadline }, signal: "SIGKILL" };
  const stopAt = deadline.stopMs + STOP_SLACK_MS;
  if (!stopping && age >= stopAt) {
    return { guarded: { ...guarded, stopping: true }, signal: "SIGTERM", againMs: deadline.killMs - age };
  }
  return { guarded, againMs: (stopping ? deadline.killMs : Math.min(stopAt, deadline.killMs)) - age };
}

/** The deadline of a message that arrives now: it may have waited in the pipe. */
export function deadlineOf(message: WatchdogMessage & { type: "deadline" }, { monotonic, wall }: Instant): Deadline {
  const { sentAt, stopMs, killMs } = message;
  const since = { monotonic: monotonic - Math.max(0, wall - sentAt), wall: sentAt };
  return { since, stopMs, killMs };
}

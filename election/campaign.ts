import { TermEndedError } from "./errors.ts";
import { GivingUp } from "./giving_up.ts";
import type { Participant } from "./participant.ts";
import type { WaitOptions } from "./ready.ts";
import type { Term } from "./term.ts";

/** How a campaign goes on when a term ended before its work. */
export interface CampaignOptions extends WaitOptions {
  /** Whether to run the body again in the next term, or to reject. */
  readonly again: boolean;
}

/**
 * Runs a body in the terms of a participant, one at a time, until it returns or throws while the term holds, then
 * releases. The body is that of a loop, so each handover waits for it.
 */
export async function campaign<T>(
  participant: Participant,
  body: (term: Term) => T | Promise<T>,
  { signal, wait, again }: CampaignOptions,
): Promise<T> {
  const states = participant[Symbol.asyncIterator]();
  let working = false;
  const givingUp = new GivingUp({ signal, wait }, () => {
    participant.stop();
    // At once, not only when etcd has answered that the candidate has left.
    if (!working) states.return!();
  }, participant);
  try {
    for await (const state of states) {
      if (state.role !== "leader" || givingUp.hasGivenUp) continue;
      givingUp.endWait();
      working = true;
      const { term } = state;
      try {
        const result = await body(term);
        if (holds(term)) return end(participant, result);
      } catch (error) {
        if (holds(term) || !again) throw end(participant, error);
        reportFailure(participant, term, error);
      }
      if (!again) throw signal?.aborted ? signal.reason : term.signal.reason;
      if (givingUp.hasGivenUp) break;
      working = false;
      givingUp.waitAnew();
    }
  } finally {
    await givingUp.leave(participant);
  }
  throw givingUp.reason;
}

/** Whether a term holds by the clock: work that blocks the event loop also holds up the timer that would end the term. */
export function holds(term: Term): boolean {
  return term.validFor() > 0;
}

/** Ends the term before the loop is left, so that what still follows the signal stops. */
function end<T>(participant: Participant, result: T): T {
  participant.stop();
  return result;
}

/** Reports what work threw after its term, unless that says no more than that it has ended. */
export function reportFailure(participant: Participant, term: Term, error: unknown): void {
  if (error instanceof TermEndedError || (error instanceof Error && error.name === "AbortError")) return;
  participant.report({ type: "work-failed", term, error });
}

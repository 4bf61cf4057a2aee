/**
 * The decisions of an election, without I/O: {@linkcode step} takes an event and the time, and returns the next state
 * and the actions to carry out. A step has three phases:
 *
 * 1. `lapse.ts`: a lease that may have ended by the stop rule is given up, before the event can make it look alive.
 * 2. `record.ts`: the event is recorded as facts. Events that change the campaign at once (resign, stop, a key that is
 *    gone) move it to its next stage here and may add the action that belongs to it.
 * 3. `decide.ts`: the same rules look at all facts and the clock. No order of events needs a rule of its own.
 *
 * The stages of a campaign. A campaign is one lease and one key; neither is used again:
 *
 * ```text
 *                 due               granted               enqueued
 *        +-> idle ----> granting ------------> enqueueing ---------> queued --+ renewals; guards while first
 *        |    ^ |           | failed               |                   |  ^---+ leads while both are fresh
 *        |    | | stop      v                      | lapsed or stop    | resign, stop or lapsed
 *        |    | +--> off   idle (after a pause)    |                   v
 *        |    |                                    |                draining   the work of the term ends
 *        |    |                                    v                   |       (or the lease does)
 *        |    +------------------------------ withdrawing <------------+
 *        |              withdrawn             delete key, revoke lease
 *        |
 *        +-- queued or enqueueing, when the key or the lease is gone: the term ends at once
 * ```
 *
 * The state diagram says nothing of leadership: whether a queued candidate leads is computed against the clock at each
 * question, by `leads` in `queries.ts`.
 */
import type { Instant } from "./clock.ts";
import { decide } from "./decide.ts";
import { dropLapsed } from "./lapse.ts";
import { record } from "./record.ts";
import type { Action, Core, MachineEvent, MachineSettings } from "./types.ts";

export { nextTickMs } from "./next_tick.ts";
export { isLeaving, keyOf, leads, leaseOf, observedLeader, termRemaining, viewIsCurrent } from "./queries.ts";
export type { Action, Campaign, Core, MachineEvent, MachineSettings, View } from "./types.ts";

/** The state before anything happened. */
export function start(settings: MachineSettings, now: Instant): Core {
  const next = { since: now, afterMs: 0 };
  return {
    settings,
    stopping: false,
    watch: { open: false, next, failures: 0, generation: 0 },
    campaign: settings.candidate ? { stage: "idle", next, failures: 0 } : { stage: "off" },
  };
}

/** One step: the next state, and what is to be done. */
export function step(core: Core, event: MachineEvent, now: Instant): { core: Core; actions: Action[] } {
  const actions: Action[] = [];
  const recorded = record(dropLapsed(core, now, actions), event, now, actions);
  return { core: decide(recorded, now, actions), actions };
}

/**
 * The decisions of an election, without I/O: {@linkcode step} takes an event and the time, and returns the next state
 * and the actions to carry out. A step has three phases:
 *
 * 1. `lapse.ts`: a lease that may have expired by the stop rule is given up, before the event can make it look valid.
 * 2. `record.ts`: the event is recorded as facts. Events that change the campaign immediately (resign, stop, a lost
 *    key) move it to its next stage here and may add the corresponding action.
 * 3. `decide.ts`: the same rules are applied to all facts and the clock, so that no order of events needs its own rule.
 *
 * The stages of a campaign. A campaign is one lease and one key; neither is reused:
 *
 * ```text
 *                 due               granted               enqueued
 *        +-> idle ----> granting ------------> enqueueing ---------> queued --+ renewals; guards while first or second
 *        |    ^ |           | failed               |                   |  ^---+ leads while both are fresh
 *        |    | | stop      v                      | lapsed or stop    | resign, stop or lapsed
 *        |    | +--> off   idle (after a pause)    |                   v
 *        |    |                                    |                draining   the work of the term finishes
 *        |    |                                    v                   |       (or the lease expires, which
 *        |    |                                    |                   |        `drainMs` may keep renewed)
 *        |    +------------------------------ withdrawing <------------+
 *        |              withdrawn             delete key, revoke lease
 *        |
 *        +-- queued or enqueueing, when the key or the lease is gone: the term ends at once
 * ```
 *
 * Leadership is not a stage: `leads` in `queries.ts` computes against the clock, at each call, whether a queued
 * candidate leads.
 */
import type { Instant } from "./clock.ts";
import { decide } from "./decide.ts";
import { dropLapsed } from "./lapse.ts";
import { trackNamesake } from "./namesake.ts";
import { record } from "./record.ts";
import type { Action, Core, MachineEvent, MachineSettings } from "./types.ts";

export { isDue, nextTickMs } from "./next_tick.ts";
export {
  drainRemaining,
  isLeaving,
  keyOf,
  leads,
  leaseOf,
  observedLeader,
  termRemaining,
  viewIsCurrent,
} from "./queries.ts";
export type { Action, Campaign, Core, MachineEvent, MachineSettings, View } from "./types.ts";

/** The initial state. */
export function start(settings: MachineSettings, now: Instant): Core {
  const next = { since: now, afterMs: 0 };
  return {
    settings,
    stopping: false,
    watch: { open: false, next, failures: 0, generation: 0 },
    campaign: settings.candidate ? { stage: "idle", next, failures: 0 } : { stage: "off" },
  };
}

/** One step: the next state and the actions to carry out. */
export function step(core: Core, event: MachineEvent, now: Instant): { core: Core; actions: Action[] } {
  const actions: Action[] = [];
  const recorded = record(dropLapsed(core, now, actions), event, now, actions);
  return { core: trackNamesake(core, decide(recorded, now, actions)), actions };
}

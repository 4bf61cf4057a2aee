import { type EtcdTrouble, GivingUp } from "./giving_up.ts";
import type { WaitOptions } from "./ready.ts";
import type { RoleState } from "./state.ts";
import type { Term } from "./term.ts";

/** Waits for the leader's state among those that a reader gets; the reader is returned in any case. */
export async function untilLeader(
  states: AsyncIterableIterator<RoleState>,
  options: WaitOptions,
  trouble?: EtcdTrouble,
): Promise<Term> {
  const end = () => void states.return!();
  const givingUp = new GivingUp(options, end, trouble);
  try {
    for await (const state of states) if (state.role === "leader") return state.term;
    throw givingUp.reason;
  } finally {
    givingUp.cancel();
    end();
  }
}

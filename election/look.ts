import type { ElectionView } from "./observation.ts";
import type { RoleState } from "./state.ts";

const looks = new WeakMap<ElectionView, () => AsyncIterable<RoleState>>();

/** Says how the states of an election are read by one who only shows them. */
export function setLook(election: ElectionView, look: () => AsyncIterable<RoleState>): void {
  looks.set(election, look);
}

/**
 * The states for one who only shows them: no handover waits for it, and no clock is looked at for it, so after the
 * machine was suspended it may learn of the end of a term as late as at the next renewal.
 */
export function look(election: ElectionView): AsyncIterable<RoleState> {
  return looks.get(election)?.() ?? election;
}

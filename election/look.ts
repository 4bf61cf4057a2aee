import type { TermEndedError, TermEndReason } from "./errors.ts";
import type { ElectionView } from "./observation.ts";
import type { RoleState } from "./state.ts";
import type { Term } from "./term.ts";

const looks = new WeakMap<ElectionView, () => AsyncIterable<RoleState>>();

/** Says how the states of an election are read by one who only shows them. */
export function setLook(election: ElectionView, look: () => AsyncIterable<RoleState>): void {
  looks.set(election, look);
}

/**
 * The states for one who only shows them: no handover waits for it, and no clock is looked at for it, so after the
 * machine was suspended it may learn of the end of a term, and the lease may be renewed, as late as the next renewal or
 * answer of etcd would have come without that.
 */
export function look(election: ElectionView): AsyncIterable<RoleState> {
  return looks.get(election)?.() ?? election;
}

/** Why a term ended that another state has followed: of an election of somebody else's, it may not have said so yet. */
export function endReason({ signal }: Term): TermEndReason {
  return (signal.reason as Partial<TermEndedError> | undefined)?.reason ?? "expired";
}

/**
 * Leader election over etcd v3: at most one leader at a time, and a failed leader is replaced quickly.
 *
 * @example
 * ```ts
 * import { Election } from "./mod.ts";
 *
 * await using election = new Election({ name: "jobs", candidate: { id: "worker-1" } });
 * for await (const state of election) {
 *   console.log(state.role, state.leader?.id);
 *   if (state.role === "leader") break;
 * }
 * ```
 *
 * @module
 */
export { Connection } from "./connection.ts";
export { Election, observe } from "./election.ts";
export {
  ElectionError,
  HandoffError,
  InvalidOptionError,
  NotElectedError,
  OverrunError,
  SetupError,
  StopTimeoutError,
  TermEndedError,
  type TermEndReason,
} from "./errors.ts";
export type { ElectionEvent } from "./events.ts";
export { findLeader, type FindLeaderOptions } from "./find_leader.ts";
export { lead, type LeadCallbacks } from "./lead.ts";
export { type LockOptions, withLock } from "./lock.ts";
export { whileLeader } from "./while_leader.ts";
export type { ConnectionOptions, Refreshable, TlsOptions, TransportName, UserOptions } from "./etcd/options.ts";
export type { ElectionOptions, ObserveOptions, SelfChanges } from "./options.ts";
export type { Candidate, LeaveReason, Queue } from "./machine/queue.ts";
export type { WaitOptions } from "./ready.ts";
export type { ConnectingState, FollowerState, Leader, LeaderState, RoleState, StoppedState } from "./state.ts";
export type { Term, TermGuard } from "./term.ts";
export type { ElectionStatus, ElectionView, LeaseStatus } from "./observation.ts";

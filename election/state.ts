import type { Term } from "./term.ts";

/** Who leads, as far as this node knows. */
export interface Leader {
  /** The name that the leader gave itself; of a foreign candidate, its value in etcd. */
  readonly id: string;
  /** Where the leader answers HTTP, if it said so. */
  readonly url?: string;
  /** The fencing token: the create revision of the leader's key. It only grows from leader to leader. */
  readonly token: bigint;
  /**
   * Since when it leads: the start of the term as this node saw it, or, of a leader that was there
   * before this node looked, when that one had queued.
   */
  readonly since?: Date;
}

/** Nothing recent is known of the election: etcd has not answered yet, or not for a TTL. */
export interface ConnectingState {
  /** Tells the states apart. */
  readonly role: "connecting";
  /** Not known. */
  readonly leader?: undefined;
}

/** This node does not lead. */
export interface FollowerState {
  /** Tells the states apart. */
  readonly role: "follower";
  /** Who leads; absent while nobody does. */
  readonly leader?: Leader;
}

/** This node leads, until `term.signal` fires. */
export interface LeaderState {
  /** Tells the states apart. */
  readonly role: "leader";
  /** This node itself. */
  readonly leader: Leader;
  /** What the work of a leader needs: the signal to stop, the fencing token, the time left. */
  readonly term: Term;
}

/** This node has left the election for good. */
export interface StoppedState {
  /** Tells the states apart. */
  readonly role: "stopped";
  /** Not known any more. */
  readonly leader?: undefined;
}

/**
 * What a node is at one moment. A node whose lease may have ended, or that resigns, is a follower
 * without a leader until etcd has decided.
 *
 * @example
 * ```ts
 * import { Election, type RoleState } from "./mod.ts";
 *
 * function describe(state: RoleState): string {
 *   switch (state.role) {
 *     case "leader":
 *       return `I lead with token ${state.term.token}`;
 *     case "follower":
 *       return state.leader ? `I follow ${state.leader.id}` : "nobody leads";
 *     case "connecting":
 *       return "I do not know yet";
 *     case "stopped":
 *       return "I have left";
 *   }
 * }
 *
 * await using election = new Election({ name: "jobs" });
 * for await (const state of election) {
 *   console.log(describe(state));
 *   if (state.role === "leader") break;
 * }
 * ```
 */
export type RoleState = ConnectingState | FollowerState | LeaderState | StoppedState;

import type { Term } from "./term.ts";

/** The leader, as far as this node knows. */
export interface Leader {
  /** The leader's name; for a candidate of another program, its value in etcd. */
  readonly id: string;
  /** The leader's HTTP URL, if it published one. */
  readonly url?: string;
  /** What else it published about itself. */
  readonly meta?: Readonly<Record<string, string>>;
  /** The fencing token: the create revision of the leader's key. Every later leader has a greater one. */
  readonly token: bigint;
  /**
   * The start of its leadership as this node saw it. If it led before this node joined: when it joined the queue, by
   * its own clock.
   */
  readonly since?: Date;
}

/** The state of the election is unknown: etcd has not answered yet, or not for one TTL. */
export interface ConnectingState {
  /** Discriminant. */
  readonly role: "connecting";
  /** Never set in this state. */
  readonly leader?: undefined;
}

/** This node does not lead. */
export interface FollowerState {
  /** Discriminant. */
  readonly role: "follower";
  /** The leader; absent while there is none. */
  readonly leader?: Leader;
}

/** This node leads, until `term.signal` is aborted. */
export interface LeaderState {
  /** Discriminant. */
  readonly role: "leader";
  /** This node. */
  readonly leader: Leader;
  /** The term: the signal to stop, the fencing token, the time left. */
  readonly term: Term;
}

/** This node has left the election permanently. */
export interface StoppedState {
  /** Discriminant. */
  readonly role: "stopped";
  /** Never set in this state. */
  readonly leader?: undefined;
}

/**
 * The state of a node. A node whose lease may have expired, or that is resigning, is a follower without a leader until
 * etcd confirms the next leader.
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
 *       return state.leader ? `I follow ${state.leader.id}` : "there is no leader";
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

import type { EtcdSource } from "./etcd_source.ts";
import type { LogOptions } from "./log.ts";

/** What a node tells its watchdog, as lines of JSON through a pipe: `ps` shows none of it. */
export type WatchdogMessage =
  /** Told first: how to reach etcd, and what it must know of the node. */
  | {
    readonly type: "node";
    readonly etcd: EtcdSource;
    readonly ttlMs: number;
    /** Who the node is in the election. */
    readonly self: { readonly id: string; readonly url?: string; readonly priority?: number };
    /** What is known of the command, if there is one. */
    readonly command?: CommandFacts;
    readonly log: LogOptions;
  }
  /** The lease that the node holds now, in hex. */
  | { readonly type: "lease"; readonly id: string }
  /** Where the node stands in the queue now. */
  | PlaceMessage
  /** Starts the command, unless that comes too late. */
  | StartMessage
  /** The command runs, or is being stopped by the node, or does not run. */
  | { readonly type: "command"; readonly pid?: number; readonly stopping?: boolean }
  /** The processes of a command that the watchdog did not start itself. */
  | { readonly type: "members"; readonly pids: readonly number[] }
  /** How long the command may run: milliseconds from `sentAt`, a time of the wall clock. */
  | { readonly type: "deadline"; readonly sentAt: number; readonly stopMs: number; readonly killMs: number }
  /** The node ends in good order: there is nothing left to guard. */
  | { readonly type: "done" };

/** The node's key, and to whom the node would hand over, past whom: nobody if it is not the first in the queue. */
export interface PlaceMessage extends KeyFacts {
  readonly type: "place";
  readonly to?: NextLeader;
  readonly passed?: readonly KeyFacts[];
}

/** A key in the queue, its token as text: JSON has no big integers. */
export interface KeyFacts {
  readonly key: string;
  readonly token: string;
}

/** The candidate that leads next, with all that its value holds. */
export interface NextLeader extends KeyFacts {
  readonly id: string;
  readonly url?: string;
  readonly priority?: number;
  /** Milliseconds since the epoch. */
  readonly since?: number;
  readonly meta?: Readonly<Record<string, string>>;
}

/** How the processes of a command are found. */
export interface CommandFacts {
  /** What they all inherit in their environment. */
  readonly mark: string;
  /** The node's process, to which orphans come. */
  readonly nodePid: number;
  /** Children of the node that were there before. */
  readonly former: readonly number[];
  /** The folder of the control group that they are in, if there is one. */
  readonly cgroup?: string;
}

/** Asks the watchdog to start the command within so many milliseconds from `sentAt`, a time of the wall clock. */
export interface StartMessage {
  readonly type: "start";
  readonly argv: readonly string[];
  /** What is added to the environment. */
  readonly env: Readonly<Record<string, string>>;
  readonly sentAt: number;
  readonly withinMs: number;
}

/** What a watchdog tells its node. */
export type WatchdogAnswer =
  /** It guards, and orphans come to it. */
  | { readonly type: "ready" }
  | { readonly type: "started"; readonly pid: number }
  /** It could not start the command: a message for the user, and the exit code that shells give. */
  | { readonly type: "failed"; readonly message: string; readonly exitCode: 126 | 127; readonly temporary: boolean }
  | { readonly type: "late" }
  /** The command's first process has ended. */
  | { readonly type: "ended"; readonly pid: number; readonly code: number; readonly signal: string | null };

import type { EtcdOptions } from "../election/internal.ts";
import type { LogOptions } from "./log.ts";

/** What a node tells its watchdog, as lines of JSON through a pipe: `ps` shows none of it. */
export type WatchdogMessage =
  /** Told first: how to reach etcd, and what it must know of the node. */
  | {
    readonly type: "node";
    readonly etcd: EtcdOptions;
    readonly ttlMs: number;
    /** Who the node is in the election. */
    readonly self: { readonly id: string; readonly url?: string; readonly priority?: number };
    /** The id that all processes of the command have in their environment, if there is a command. */
    readonly runId?: string;
    readonly log: LogOptions;
  }
  /** The lease that the node holds now, in hex. */
  | { readonly type: "lease"; readonly id: string }
  /** Where the node stands in the queue now. */
  | { readonly type: "place"; readonly key: string; readonly token: string }
  /** The command runs, or is being stopped by the node, or does not run. */
  | { readonly type: "command"; readonly pid?: number; readonly stopping?: boolean }
  /** How long the command may run: milliseconds from `sentAt`, a time of the wall clock. */
  | { readonly type: "deadline"; readonly sentAt: number; readonly stopMs: number; readonly killMs: number }
  /** The node ends in good order: there is nothing left to guard. */
  | { readonly type: "done" };

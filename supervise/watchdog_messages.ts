import type { TlsOptions, TransportName, UserOptions } from "../election/mod.ts";
import type { LogOptions } from "./log.ts";

/** What a node tells its watchdog, as lines of JSON through a pipe: `ps` shows none of it. */
export type Message =
  /** Told first: how to reach etcd, and what it must know of the node. */
  | {
    readonly type: "node";
    readonly endpoints: readonly string[];
    readonly transport: TransportName;
    readonly tls?: TlsOptions;
    readonly user?: UserOptions;
    readonly ttlMs: number;
    /** Who the node is in the election. */
    readonly self: { readonly id: string; readonly url?: string; readonly priority?: number };
    /** What the command's processes are known by, if there is a command. */
    readonly mark?: string;
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

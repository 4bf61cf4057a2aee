import type { Credentials } from "./options.ts";
import type { Clock, Instant } from "../machine/clock.ts";
import type { QueueChange } from "../machine/queue.ts";

/** A comparison in a transaction. As in all of these messages, names are etcd's and 64-bit numbers are strings. */
export interface Compare {
  readonly key: Uint8Array;
  readonly target: "Create";
  readonly result: "Equal";
  readonly create_revision: string;
}

/** A range request; for a single key if `range_end` is absent. */
export interface RangeRequest {
  readonly key: Uint8Array;
  readonly range_end?: Uint8Array;
  readonly limit?: number;
  readonly keys_only?: boolean;
  /** The revision to read at; the latest if absent. */
  readonly revision?: string;
  readonly min_mod_revision?: string;
  readonly sort_target?: "Create";
  readonly sort_order?: "Ascend";
}

/** An operation of a transaction. */
export type Operation =
  | {
    readonly request_put: {
      readonly key: Uint8Array;
      readonly value?: Uint8Array;
      readonly ignore_value?: boolean;
      readonly lease?: string;
      readonly ignore_lease?: boolean;
    };
  }
  | { readonly request_range: RangeRequest }
  | { readonly request_delete_range: { readonly key: Uint8Array } };

/** A transaction. */
export interface TxnRequest {
  readonly compare: readonly Compare[];
  readonly success: readonly Operation[];
  readonly failure?: readonly Operation[];
}

/** A key in etcd. */
export interface KeyValue {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly create_revision: string;
  readonly mod_revision: string;
  /** The id of its lease; "0" if it has none. */
  readonly lease: string;
}

/** The response to a range request. */
export interface RangeAnswer {
  readonly header: { readonly revision: string };
  readonly kvs: readonly KeyValue[];
  readonly count: string;
}

/** Several ranges at one revision. */
export interface RangesAnswer {
  readonly revision: bigint;
  readonly ranges: readonly RangeAnswer[];
}

/** The response to a transaction. */
export interface TxnAnswer {
  readonly header: { readonly revision: string };
  readonly succeeded: boolean;
  readonly responses: readonly { readonly response_range?: RangeAnswer }[];
}

/** A lease and its TTL in seconds. */
export interface LeaseAnswer {
  readonly ID: string;
  readonly TTL: string;
}

/** A change of a key, at its revision. */
export interface KeyEvent {
  readonly revision: bigint;
  readonly change: QueueChange;
}

/** How long to wait for answers. */
export interface Patience {
  /** Milliseconds for a call. */
  readonly timeoutMs: number;
  /** Milliseconds for the first call on a new connection, with all that it takes to connect. */
  readonly firstTimeoutMs: number;
}

/** The settings of a watch on a prefix, and its callbacks. */
export interface WatchObserver {
  readonly prefix: string;
  /** Milliseconds between two probes. */
  readonly probeEveryMs: () => number;
  /** How long to wait for the watch to be created, and for etcd's answer to a probe. */
  readonly patience: () => Patience;
  /** Number of keys and revision known to the observer; undefined before the first list. */
  readonly known: () => { readonly count: number; readonly revision: bigint } | undefined;
  /** The watch is established: all later changes are reported. */
  created(): void;
  /** Changes, ordered by revision. */
  changed(events: readonly KeyEvent[]): void;
  /** A probe sent at `sentAt` was answered: everything up to then has been reported. */
  alive(sentAt: Instant): void;
  /** The watch has ended; no more callbacks. */
  failed(reason: Error): void;
}

/** A running watch. */
export interface WatchHandle {
  /** Sends a probe soon instead of when the next one is due. */
  probe(): void;
  /** Ends the watch; no more callbacks. */
  close(): void;
}

/** The options of a client. */
export interface ClientOptions {
  readonly endpoint: string;
  readonly credentials: Credentials;
  readonly clock: Clock;
  /** Called when the client itself notices that its connection is lost, and it must be replaced. */
  readonly onLeft: (reason: Error) => void;
}

/**
 * A client for one endpoint, which is replaced after the first failure. Each call ends within its patience; pass its
 * error to `storeError`.
 */
export interface EtcdClient {
  readonly endpoint: string;
  grant(ttlSeconds: number, patience: Patience): Promise<LeaseAnswer>;
  renew(leaseId: string, patience: Patience): Promise<LeaseAnswer>;
  revoke(leaseId: string, patience: Patience): Promise<void>;
  txn(request: TxnRequest, patience: Patience): Promise<TxnAnswer>;
  range(request: RangeRequest, patience: Patience): Promise<RangeAnswer>;
  /** Reads several ranges at one revision. */
  ranges(requests: readonly RangeRequest[], patience: Patience): Promise<RangesAnswer>;
  /** Watches a prefix from now on, until it fails or is closed. */
  watch(request: WatchObserver): WatchHandle;
  close(): void;
}

/** A protocol to connect to etcd. */
export interface Transport {
  connect(options: ClientOptions): EtcdClient;
  /** Resolves when the closed clients have released their sockets. */
  settled(): Promise<void>;
}

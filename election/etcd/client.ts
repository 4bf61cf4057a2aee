import type { Credentials } from "./options.ts";
import type { Clock, Instant } from "../machine/clock.ts";
import type { QueueChange } from "../machine/queue.ts";

/** A comparison in a transaction. As in all of these messages, names are etcd's, and 64-bit numbers are texts. */
export interface Compare {
  readonly key: Uint8Array;
  readonly target: "Create";
  readonly result: "Equal";
  readonly create_revision: string;
}

/** A question for keys; without `range_end` for one. */
export interface RangeRequest {
  readonly key: Uint8Array;
  readonly range_end?: Uint8Array;
  readonly limit?: number;
  readonly keys_only?: boolean;
  readonly min_mod_revision?: string;
  readonly sort_target?: "Create";
  readonly sort_order?: "Ascend";
}

/** What a transaction does. */
export type Operation =
  | {
    readonly request_put: {
      readonly key: Uint8Array;
      readonly value: Uint8Array;
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

/** A key as etcd has it. */
export interface KeyValue {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly create_revision: string;
  readonly mod_revision: string;
}

/** The answer to a range request. */
export interface RangeAnswer {
  readonly header: { readonly revision: string };
  readonly kvs: readonly KeyValue[];
  readonly count: string;
}

/** The answer to a transaction. */
export interface TxnAnswer {
  readonly header: { readonly revision: string };
  readonly succeeded: boolean;
  readonly responses: readonly { readonly response_range?: RangeAnswer }[];
}

/** A lease, and the seconds that it is valid for. */
export interface LeaseAnswer {
  readonly ID: string;
  readonly TTL: string;
}

/** What happened to a key in one revision. */
export interface KeyEvent {
  readonly revision: bigint;
  readonly change: QueueChange;
}

/** What a watch on a prefix needs, and whom it tells. */
export interface WatchObserver {
  readonly prefix: string;
  /** Milliseconds between two probes. */
  readonly probeEveryMs: () => number;
  /** Milliseconds after which a silent etcd is given up. */
  readonly timeoutMs: () => number;
  /** How many keys the one who is told knows of, at which revision; undefined before it has listed them. */
  readonly seen: () => { readonly count: number; readonly revision: bigint } | undefined;
  /** It stands: what happens from now on is told. */
  created(): void;
  /** What happened, in the order of the revisions. */
  happened(events: readonly KeyEvent[]): void;
  /** All that had happened was told when a probe was sent at `sentAt`. */
  alive(sentAt: Instant): void;
  /** Nothing more is told. */
  failed(reason: Error): void;
}

/** A watch that was asked for. */
export interface WatchHandle {
  /** Probes it soon, not only when the next probe is due. */
  probe(): void;
  /** Ends it without a word. */
  close(): void;
}

/** What a client is made of. */
export interface ClientOptions {
  readonly endpoint: string;
  readonly credentials: Credentials;
  readonly clock: Clock;
  /** Told when the client has noticed by itself that it is of no use any more. */
  readonly onLeft: (reason: Error) => void;
}

/**
 * etcd's calls over connections to one endpoint, given up and made anew at the first doubt. Each call ends within
 * its `timeoutMs`; what it fails with is for `storeError`.
 */
export interface EtcdClient {
  readonly endpoint: string;
  grant(ttlSeconds: number, timeoutMs: number): Promise<LeaseAnswer>;
  renew(leaseId: string, timeoutMs: number): Promise<LeaseAnswer>;
  revoke(leaseId: string, timeoutMs: number): Promise<void>;
  txn(request: TxnRequest, timeoutMs: number): Promise<TxnAnswer>;
  range(request: RangeRequest, timeoutMs: number): Promise<RangeAnswer>;
  /** Watches a prefix from now on, until that has failed or is closed. */
  watch(request: WatchObserver): WatchHandle;
  close(): void;
}

/** A way to speak to etcd. */
export interface Transport {
  connect(options: ClientOptions): EtcdClient;
  /** Resolves when the clients that were closed have let go of their sockets. */
  settled(): Promise<void>;
}

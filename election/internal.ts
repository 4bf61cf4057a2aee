/**
 * Internal entry point for the other folders of this repository: what they need beyond `mod.ts`. Not part of the
 * library; may change at any time. etcd3 is loaded on first use only.
 */
export {
  HandoffError,
  InvalidOptionError,
  isPrintable,
  missingPermission,
  OverrunError,
  printable,
  UNPRINTABLE,
} from "./errors.ts";
export {
  checkEndpoints,
  checkEtcdOptions,
  checkTransport,
  DEFAULT_ENDPOINT,
  type EtcdOptions,
  EXPECTED_ENDPOINTS,
  EXPECTED_TRANSPORT,
  isPem,
  maskPassword,
  type TransportName,
} from "./etcd/options.ts";
export { endReason, look } from "./look.ts";
export { deferred } from "./deferred.ts";
export { credentialsOf } from "./etcd/credentials.ts";
export { checkName, checkPriority, checkTtl, DEFAULT_TTL, EXPECTED } from "./options.ts";
export { MAX_IDLE_MS } from "./machine/deadline.ts";
export { elapsed, type Instant, systemClock } from "./machine/clock.ts";
export { systemTime, type Time } from "./runner.ts";
export { type Handoff, planHandoff, type Queue } from "./machine/queue.ts";
export { keyBytes } from "./etcd/codec.ts";
export { storeError } from "./etcd/errors.ts";
export { EtcdLink } from "./etcd/link.ts";
export { EtcdStore } from "./etcd/store.ts";
export type { GrpcClient } from "./etcd/grpc/client.ts";

/** Loads the gRPC client, and with it etcd3. */
export const loadGrpcClient = (): Promise<typeof import("./etcd/grpc/client.ts")> => import("./etcd/grpc/client.ts");

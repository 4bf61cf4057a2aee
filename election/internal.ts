/**
 * The second entry of this folder: what the program's other parts need beyond `mod.ts`. It is not part of the library
 * and may change at any time. Nothing here loads etcd3 before it is used.
 */
export { HandoffError, InvalidOptionError } from "./errors.ts";
export {
  checkEndpoints,
  checkEtcdOptions,
  checkTransport,
  DEFAULT_ENDPOINT,
  type EtcdOptions,
  EXPECTED_ENDPOINTS,
  EXPECTED_TRANSPORT,
  type TlsOptions,
  type TransportName,
  type UserOptions,
} from "./etcd/options.ts";
export { checkName, checkPriority, checkTtl, DEFAULT_TTL, EXPECTED } from "./options.ts";
export { elapsed, type Instant, systemClock } from "./machine/clock.ts";
export { keyBytes } from "./etcd/codec.ts";
export { storeError } from "./etcd/errors.ts";
export { EtcdLink } from "./etcd/link.ts";
export { EtcdStore } from "./etcd/store.ts";
export type { GrpcClient } from "./etcd/grpc/client.ts";

/** The client for gRPC, which loads etcd3. */
export const loadGrpcClient = (): Promise<typeof import("./etcd/grpc/client.ts")> => import("./etcd/grpc/client.ts");

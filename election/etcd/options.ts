import { InvalidOptionError } from "../errors.ts";

/** How to speak TLS with etcd. All certificates and keys are PEM texts. */
export interface TlsOptions {
  /**
   * The authority that signed etcd's certificates.
   *
   * @default {the authorities that the runtime trusts}
   */
  readonly ca?: string;
  /** This client's certificate, if etcd asks for one. */
  readonly cert?: string;
  /** The private key of `cert`. */
  readonly key?: string;
  /** The name that etcd's certificate must be for, if that is not the endpoint's host name. Needed for IP addresses. */
  readonly serverName?: string;
}

/** A user of etcd. */
export interface UserOptions {
  /** The user's name. */
  readonly name: string;
  /** The user's password. */
  readonly password: string;
}

/** Where etcd is, and how to be let in. */
export interface ConnectionOptions {
  /**
   * etcd's client endpoints, as `host:port` or `http(s)://host:port`.
   *
   * @default {["http://127.0.0.1:2379"]}
   */
  endpoints?: readonly string[];
  /** TLS, for https endpoints. */
  tls?: TlsOptions;
  /** The user to log in as, if etcd asks for one. */
  user?: UserOptions;
  /**
   * How to speak to etcd: `"grpc"`, its own protocol, or `"gateway"`, its JSON gateway over `fetch`. The latter starts
   * faster and needs less memory, but a request of its own for each election's watch; it cannot be used where the
   * gateway is switched off, or where etcd tells users by their client certificates.
   *
   * @default {"grpc"}
   */
  transport?: TransportName;
}

/** A way to speak to etcd. */
export type TransportName = "grpc" | "gateway";

/** What a transport should be, in the words of an error message. */
export const EXPECTED_TRANSPORT = "grpc or gateway";

/** Where etcd is looked for if nothing else is said. */
export const DEFAULT_ENDPOINT = "http://127.0.0.1:2379";

/** What endpoints should be, in the words of an error message. */
export const EXPECTED_ENDPOINTS =
  `host:port or http(s)://host:port such as ${DEFAULT_ENDPOINT}, separated by commas, all http or all https`;

/** The credentials of a client. */
export interface Credentials {
  readonly tls?: TlsOptions;
  readonly user?: UserOptions;
}

/** How to reach etcd, after the checks. */
export interface EtcdOptions extends Credentials {
  /** etcd's endpoints as URLs. */
  readonly endpoints: readonly string[];
  readonly transport: TransportName;
}

/**
 * Checks how to reach etcd.
 *
 * @throws {InvalidOptionError} If an option cannot work.
 */
export function checkEtcdOptions(
  { endpoints: given = [DEFAULT_ENDPOINT], tls, user, transport = "grpc" }: ConnectionOptions,
): EtcdOptions {
  const endpoints = checkEndpoints(given);
  return { endpoints, transport: checkTransport(transport, tls), tls: checkTls(tls, endpoints), user };
}

/**
 * Checks the transport.
 *
 * @throws {InvalidOptionError} If there is no such one, or if this runtime cannot speak TLS by it as it should.
 */
export function checkTransport(transport: string, tls?: TlsOptions): TransportName {
  const wrong = (expected: string) => new InvalidOptionError("transport", transport, expected);
  if (transport === "grpc") return transport;
  if (transport !== "gateway") throw wrong(EXPECTED_TRANSPORT);
  if (tls?.serverName !== undefined) {
    throw wrong("grpc when tls.serverName is set; gateway accepts certificates for IP addresses");
  }
  if (tls && !("Deno" in globalThis)) throw wrong("grpc when TLS options are set; gateway supports them on Deno only");
  return transport;
}

/**
 * Checks etcd's endpoints and gives them as URLs, without those that stand twice.
 *
 * @throws {InvalidOptionError} If there is none, one is no endpoint, or http and https are mixed.
 */
export function checkEndpoints(endpoints: readonly string[]): string[] {
  const urls = endpoints.map(endpointUrl);
  const schemes = new Set(urls.map((url) => url?.slice(0, url.indexOf(":"))));
  if (schemes.size === 1 && !schemes.has(undefined)) return [...new Set(urls as string[])];
  const given = endpoints.map((endpoint) => endpoint.replace(/\/\/[^/@]*@/, "//***@"));
  throw new InvalidOptionError("endpoints", given, EXPECTED_ENDPOINTS);
}

/**
 * Checks the TLS options against the endpoints.
 *
 * @throws {InvalidOptionError} If they are given for http, or only one of certificate and key is, or one is no PEM.
 */
export function checkTls(tls: TlsOptions | undefined, endpoints: readonly string[]): TlsOptions | undefined {
  if (!tls) return undefined;
  const wrong = (expected: string) => new InvalidOptionError("tls", Object.keys(tls), expected);
  if (endpoints.some((endpoint) => endpoint.startsWith("http:"))) throw wrong("https endpoints");
  if ((tls.cert === undefined) !== (tls.key === undefined)) throw wrong("both a certificate and its key");
  for (const pem of [tls.ca, tls.cert, tls.key]) {
    if (pem !== undefined && !pem.includes("-----BEGIN ")) throw wrong("certificates and keys in PEM format");
  }
  return tls;
}

function endpointUrl(endpoint: string): string | undefined {
  const text = /^[a-z][a-z0-9+.-]*:\/\//i.test(endpoint) ? endpoint : `http://${endpoint}`;
  const parts = /^(https?):\/\/([\w.-]+|\[[0-9a-f:.]+\]):(\d{1,5})\/?$/i.exec(text);
  const port = Number(parts?.[3]);
  return parts && port > 0 && port <= 65535 ? `${parts[1]}://${parts[2]}:${port}`.toLowerCase() : undefined;
}

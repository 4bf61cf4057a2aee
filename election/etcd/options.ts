import { InvalidOptionError } from "../errors.ts";

/** TLS options for etcd. All certificates and keys are PEM text. */
export interface TlsOptions {
  /**
   * The CA certificate(s) to verify etcd's certificate with, instead of those that the runtime trusts.
   *
   * @default {the CAs that the runtime trusts}
   */
  readonly ca?: string;
  /** The client certificate, if etcd requires one. */
  readonly cert?: string;
  /** The private key of `cert`. */
  readonly key?: string;
  /**
   * The name to verify etcd's certificate against, if it is not the endpoint's host name. With `transport: "grpc"`,
   * required if the endpoint is an IP address; not supported with `"gateway"`.
   */
  readonly serverName?: string;
}

/** Credentials of an etcd user. */
export interface UserOptions {
  /** The user's name. */
  readonly name: string;
  /** The user's password. */
  readonly password: string;
}

/**
 * An option, or a function that gives what it is now. The function is called for each new connection, so that
 * certificates and passwords can be rotated while the process runs. If it throws, or takes longer than 5 seconds (for
 * `user`: a quarter of the TTL, at least 1 second and at most 5), connecting has failed (event `etcd-failing`) and is
 * tried again.
 */
export type Refreshable<T> = T | (() => T | Promise<T>);

/** How to connect to etcd. */
export interface ConnectionOptions {
  /**
   * etcd's client endpoints, as `host:port` or `http(s)://host:port`.
   *
   * @default {["http://127.0.0.1:2379"]}
   */
  endpoints?: readonly string[];
  /** TLS options, for https endpoints. */
  tls?: Refreshable<TlsOptions>;
  /** The user to authenticate as, if etcd has authentication enabled. */
  user?: Refreshable<UserOptions>;
  /**
   * The protocol: `"grpc"`, or `"gateway"` for etcd's JSON gateway over `fetch`. The gateway starts faster and needs
   * less memory, but one open request per watched election. It cannot be used if etcd has it disabled, or if etcd
   * authenticates users by client-certificate common name.
   *
   * @default {"grpc"}
   */
  transport?: TransportName;
}

/** A protocol to connect to etcd. */
export type TransportName = "grpc" | "gateway";

/** The valid transports, for error messages. */
export const EXPECTED_TRANSPORT = "grpc or gateway";

/** The default endpoint. */
export const DEFAULT_ENDPOINT = "http://127.0.0.1:2379";

/** The valid endpoints, for error messages. */
export const EXPECTED_ENDPOINTS =
  `host:port or http(s)://host:port such as ${DEFAULT_ENDPOINT}, separated by commas, all http or all https`;

/** Credentials for a client. */
export interface Credentials {
  readonly tls?: TlsOptions;
  /** Read again for each login. */
  readonly user?: Refreshable<UserOptions>;
}

/** The checked connection options. */
export interface EtcdOptions {
  /** etcd's endpoints as URLs. */
  readonly endpoints: readonly string[];
  readonly transport: TransportName;
  readonly tls?: Refreshable<TlsOptions>;
  readonly user?: Refreshable<UserOptions>;
}

/**
 * Checks the connection options and applies the defaults.
 *
 * @throws {InvalidOptionError} If an option is invalid.
 */
export function checkEtcdOptions(
  { endpoints: given = [DEFAULT_ENDPOINT], tls, user, transport = "grpc" }: ConnectionOptions,
): EtcdOptions {
  const endpoints = checkEndpoints(given);
  // What a function gives is checked when it is called.
  const known = typeof tls === "function" ? {} : tls;
  checkTls(known, endpoints);
  return { endpoints, transport: checkTransport(transport, known), tls, user };
}

/**
 * Checks the transport.
 *
 * @throws {InvalidOptionError} If it is unknown, or does not support the TLS options in this runtime.
 */
export function checkTransport(transport: string, tls?: TlsOptions): TransportName {
  const invalid = (expected: string) => new InvalidOptionError("transport", transport, expected);
  if (transport === "grpc") return transport;
  if (transport !== "gateway") throw invalid(EXPECTED_TRANSPORT);
  if (tls?.serverName !== undefined) {
    throw invalid("grpc when tls.serverName is set; gateway accepts certificates for IP addresses");
  }
  if (tls && !("Deno" in globalThis)) {
    throw invalid("grpc when TLS options are set; gateway supports them on Deno only");
  }
  return transport;
}

/**
 * Checks etcd's endpoints and returns them as URLs without duplicates.
 *
 * @throws {InvalidOptionError} If there is none, one is invalid, or http and https are mixed.
 */
export function checkEndpoints(endpoints: readonly string[]): string[] {
  const urls = endpoints.map(endpointUrl);
  const schemes = new Set(urls.map((url) => url?.slice(0, url.indexOf(":"))));
  if (schemes.size === 1 && !schemes.has(undefined)) return [...new Set(urls as string[])];
  const given = endpoints.map(maskPassword);
  throw new InvalidOptionError("endpoints", given, EXPECTED_ENDPOINTS);
}

/**
 * Checks the TLS options against the endpoints.
 *
 * @throws {InvalidOptionError} If an endpoint is http, certificate and key are not given together, or one is not PEM.
 */
export function checkTls(tls: TlsOptions | undefined, endpoints: readonly string[]): TlsOptions | undefined {
  if (!tls) return undefined;
  const invalid = (expected: string) => new InvalidOptionError("tls", Object.keys(tls), expected);
  if (endpoints.some((endpoint) => endpoint.startsWith("http:"))) throw invalid("https endpoints");
  if ((tls.cert === undefined) !== (tls.key === undefined)) throw invalid("both a certificate and its key");
  for (const pem of [tls.ca, tls.cert, tls.key]) {
    if (pem !== undefined && !isPem(pem)) throw invalid("certificates and keys in PEM format");
  }
  return tls;
}

/** Whether a text is PEM, and whole: a file that is still being written is not. */
export function isPem(text: string): boolean {
  const [begun, ended] = ["BEGIN", "END"].map((word) => text.split(`-----${word} `).length - 1);
  return begun! > 0 && begun === ended;
}

/** Hides what may be a user and a password before the last `@`, whatever characters they have. */
export function maskPassword(text: string): string {
  return text.replace(/^([a-z][a-z0-9+.-]*:\/\/)?.*@/is, (_, scheme = "") => `${scheme}***@`);
}

function endpointUrl(endpoint: string): string | undefined {
  const text = /^[a-z][a-z0-9+.-]*:\/\//i.test(endpoint) ? endpoint : `http://${endpoint}`;
  const parts = /^(https?):\/\/([\w.-]+|\[[0-9a-f:.]+\]):(\d{1,5})\/?$/i.exec(text);
  const port = Number(parts?.[3]);
  return parts && port > 0 && port <= 65535 ? `${parts[1]}://${parts[2]}:${port}`.toLowerCase() : undefined;
}

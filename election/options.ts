import { InvalidOptionError } from "./errors.ts";
import type { ElectionEvent } from "./events.ts";

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

/** What is needed to observe an election. */
export interface ObserveOptions {
  /** The election's name. Its keys in etcd are `<name>/<lease id>`, as those of etcdctl and of Go's `concurrency` package. */
  name: string;
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
   * The lease's time to live in whole seconds: how long a dead leader keeps its place. For an observer,
   * how long it believes what it saw when etcd is silent.
   *
   * @default {5}
   */
  ttl?: number;
  /** Told what happens on the way, for logs. An error that it throws is not caught. */
  onEvent?: (event: ElectionEvent) => void;
}

/** What is needed to stand in an election. */
export interface ElectionOptions extends ObserveOptions {
  /**
   * Who this candidate is, for the others to see: a name, where it answers HTTP, and its priority, a whole
   * number: at a handoff, the lead goes to the highest priority among those who wait, to the oldest of equals.
   *
   * @default {{ id: crypto.randomUUID(), priority: 0 }}
   */
  candidate?: { readonly id: string; readonly url?: string; readonly priority?: number };
  /**
   * Milliseconds between a term's signal and the moment at which its lease may end: the time that the
   * work has to stop. Less than half of the TTL.
   *
   * @default {ttl * 100, a tenth of the TTL}
   */
  stopBudget?: number;
}

/** Where etcd is looked for if nothing else is said. */
export const DEFAULT_ENDPOINT = "http://127.0.0.1:2379";

/** The TTL in seconds if nothing else is said. */
export const DEFAULT_TTL = 5;

const MAX_TTL = 86_400;

/** What each option should be, in the words of an error message. */
export const EXPECTED = {
  name:
    'a name of 1 to 512 characters, with no control character and no slash at its end, such as "jobs" or "team/jobs"',
  ttl: `whole seconds from 1 to ${MAX_TTL}`,
  priority: "a whole number such as 0, 10 or -1",
  endpoints:
    `host:port or http(s)://host:port such as ${DEFAULT_ENDPOINT}, several with commas between, all http or all https`,
} as const;

/**
 * Checks an election's name.
 *
 * @throws {InvalidOptionError} If it is empty, too long, ends with a slash or holds control characters.
 */
export function checkName(name: string): string {
  if (name !== "" && name.length <= 512 && !name.endsWith("/") && !/\p{C}/u.test(name)) return name;
  throw new InvalidOptionError("name", name.slice(0, 100), EXPECTED.name);
}

/**
 * Checks a TTL.
 *
 * @throws {InvalidOptionError} If it is not a whole number of seconds from 1 to 86400.
 */
export function checkTtl(ttl: number): number {
  if (Number.isInteger(ttl) && ttl >= 1 && ttl <= MAX_TTL) return ttl;
  throw new InvalidOptionError("ttl", ttl, EXPECTED.ttl);
}

/**
 * Checks a priority.
 *
 * @throws {InvalidOptionError} If it is not a whole number.
 */
export function checkPriority(priority: number | undefined): number | undefined {
  if (priority === undefined || Number.isSafeInteger(priority)) return priority;
  throw new InvalidOptionError("priority", priority, EXPECTED.priority);
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
  throw new InvalidOptionError("endpoints", given, EXPECTED.endpoints);
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
    if (pem !== undefined && !pem.includes("-----BEGIN ")) throw wrong("certificates and keys as PEM texts");
  }
  return tls;
}

function endpointUrl(endpoint: string): string | undefined {
  const text = /^[a-z][a-z0-9+.-]*:\/\//i.test(endpoint) ? endpoint : `http://${endpoint}`;
  const parts = /^(https?):\/\/([\w.-]+|\[[0-9a-f:.]+\]):(\d{1,5})\/?$/i.exec(text);
  const port = Number(parts?.[3]);
  return parts && port > 0 && port <= 65535 ? `${parts[1]}://${parts[2]}:${port}`.toLowerCase() : undefined;
}

/**
 * Checks the stop budget against the TTL.
 *
 * @throws {InvalidOptionError} If it is negative or leaves too little of the TTL to lead in.
 */
export function checkStopBudget(stopBudget: number | undefined, ttl: number): number | undefined {
  if (stopBudget === undefined || (stopBudget >= 0 && stopBudget < ttl * 500)) return stopBudget;
  throw new InvalidOptionError(
    "stopBudget",
    stopBudget,
    `milliseconds from 0 to less than half of the TTL, ${ttl * 500}`,
  );
}

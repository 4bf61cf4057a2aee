import { type ConnectionOptions, maskPassword } from "./etcd/options.ts";
import type { Connection } from "./connection.ts";
import { InvalidOptionError, isPrintable, NOT_SHOWN } from "./errors.ts";
import type { ElectionEvent } from "./events.ts";
import { checkOptionNames } from "./option_shape.ts";

/** Options to observe an election. */
export interface ObserveOptions extends ConnectionOptions {
  /** The election's name. Its keys in etcd are `<name>/<lease id>`, as with etcdctl and Go's `concurrency` package. */
  name: string;
  /** A connection shared by several elections, instead of `endpoints`, `tls`, `user` and `transport`. */
  connection?: Connection;
  /**
   * The lease TTL in whole seconds, from 1 to 86400: the time until a crashed leader is replaced. For an observer: how
   * long the last known queue counts as current if etcd does not answer.
   *
   * @default {5}
   */
  ttlSeconds?: number;
  /** Called for each event, for logging. What it throws, or rejects with, is written to `console.error`. */
  onEvent?: (event: ElectionEvent) => void;
}

/** Options to take part in an election as a candidate. */
export interface ElectionOptions extends ObserveOptions {
  /**
   * This candidate as other nodes see it: its name, its HTTP URL, its priority, a whole number, and what else it says
   * about itself: `meta`, texts by name, 4096 characters as JSON at most. At a handoff, the candidate with the
   * highest priority among the first 100 that wait becomes leader; of equals, the one that has waited longest.
   * {@linkcode Election.update} changes `url` and `meta`.
   *
   * @default {{ id: crypto.randomUUID(), priority: 0 }}
   */
  candidate?: {
    readonly id: string;
    readonly url?: string;
    readonly priority?: number;
    readonly meta?: Readonly<Record<string, string>>;
  };
  /**
   * Milliseconds between the abort of a term's signal and the earliest moment at which its lease may expire: the time
   * that the work has to stop. Less than half of the TTL.
   *
   * @default {ttlSeconds * 100, a tenth of the TTL}
   */
  stopBudgetMs?: number;
  /**
   * Milliseconds for which the lease is still renewed after `resign` or `stop` while the loop bodies finish their work;
   * nobody else leads meanwhile. `Infinity` keeps it as long as the process lives. A lease that is lost is not kept:
   * see {@linkcode Term.stopWithin}.
   *
   * @default {0}
   */
  drainMs?: number;
}

/** What {@linkcode Election.update} can change; what is not given stays as it is. */
export interface SelfChanges {
  /** The candidate's HTTP URL. */
  url?: string;
  /** What else it says about itself; replaces all that it said before. */
  meta?: Readonly<Record<string, string>>;
}

/** The default TTL in seconds. */
export const DEFAULT_TTL = 5;

const MAX_TTL = 86_400;

/** In characters, as JSON: everybody who watches the election reads it. */
const MAX_META = 4096;

/** The valid values of each option, for error messages. */
export const EXPECTED = {
  name: 'a name of 1 to 512 characters, without control characters or a trailing slash, such as "jobs" or "team/jobs"',
  ttl: `whole seconds from 1 to ${MAX_TTL}`,
  priority: "a whole number such as 0, 10 or -1",
  id: 'a name that tells this candidate apart, such as "worker-1"',
  meta: `texts by name such as { zone: "b" }, ${MAX_META} characters as JSON at most`,
  url: "an http or https URL of 2048 characters at most, without user and password, such as http://10.0.0.1:8080",
} as const;

/**
 * Checks a candidate's description.
 *
 * @throws {InvalidOptionError} If it is no object, its id is empty, its URL is none, or its priority is no whole number.
 */
export function checkCandidate(candidate: NonNullable<ElectionOptions["candidate"]>): typeof candidate {
  checkOptionNames(candidate, "identity");
  const { id, url, priority, meta } = candidate;
  if (typeof id !== "string" || id === "") throw new InvalidOptionError("candidate.id", id, EXPECTED.id);
  if (url !== undefined && !isHttpUrl(url)) {
    throw new InvalidOptionError("candidate.url", typeof url === "string" ? maskPassword(url) : url, EXPECTED.url);
  }
  if (meta !== undefined && !isMeta(meta)) throw new InvalidOptionError("candidate.meta", NOT_SHOWN, EXPECTED.meta);
  return { id, url, priority: checkPriority(priority), meta };
}

function isMeta(meta: unknown): boolean {
  if (typeof meta !== "object" || meta === null || Array.isArray(meta)) return false;
  return Object.values(meta).every((text) => typeof text === "string") && JSON.stringify(meta).length <= MAX_META;
}

function isHttpUrl(url: unknown): boolean {
  const parsed = typeof url === "string" && url.length <= 2048 && URL.canParse(url) && new URL(url);
  // As it is written, a URL may be longer: each umlaut becomes six characters.
  return parsed && parsed.href.length <= 2048 && /^https?:$/.test(parsed.protocol) && !parsed.username &&
    !parsed.password;
}

/**
 * Checks an election's name.
 *
 * @throws {InvalidOptionError} If it is empty, too long, ends with a slash or contains control characters.
 */
export function checkName(name: string): string {
  if (
    typeof name === "string" && name !== "" && name.length <= 512 && !name.endsWith("/") && isPrintable(name) &&
    !name.includes("\uFFFD")
  ) return name;
  throw new InvalidOptionError("name", typeof name === "string" ? name.slice(0, 100) : name, EXPECTED.name);
}

/**
 * Checks a TTL.
 *
 * @throws {InvalidOptionError} If it is not a whole number of seconds from 1 to 86400.
 */
export function checkTtl(ttl: number): number {
  if (Number.isInteger(ttl) && ttl >= 1 && ttl <= MAX_TTL) return ttl;
  throw new InvalidOptionError("ttlSeconds", ttl, EXPECTED.ttl);
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
 * Checks that connection options are not given together with a shared connection.
 *
 * @throws {InvalidOptionError} If both are given.
 */
export function checkConnection({ connection, endpoints, tls, user, transport }: ObserveOptions): void {
  if (connection === undefined || (endpoints ?? tls ?? user ?? transport) === undefined) return;
  throw new InvalidOptionError(
    "connection",
    "a Connection",
    "either connection, or endpoints, tls, user and transport",
  );
}

/**
 * Checks the stop budget against the TTL.
 *
 * @throws {InvalidOptionError} If it is negative or not less than half of the TTL.
 */
export function checkStopBudget(stopBudgetMs: number | undefined, ttlSeconds: number): number | undefined {
  const isNumber = typeof stopBudgetMs === "number";
  if (stopBudgetMs === undefined || (isNumber && stopBudgetMs >= 0 && stopBudgetMs < ttlSeconds * 500)) {
    return stopBudgetMs;
  }
  throw new InvalidOptionError(
    "stopBudgetMs",
    stopBudgetMs,
    `milliseconds from 0 to less than ${ttlSeconds * 500}, half of the TTL`,
  );
}

/**
 * Checks for how long a lease may be kept.
 *
 * @throws {InvalidOptionError} If it is negative or no number.
 */
export function checkDrain(drainMs = 0): number {
  if (typeof drainMs === "number" && drainMs >= 0) return drainMs;
  throw new InvalidOptionError("drainMs", drainMs, "milliseconds, 0 or more; Infinity for no limit");
}

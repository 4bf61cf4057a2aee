import type { ConnectionOptions } from "./etcd/options.ts";
import type { Connection } from "./connection.ts";
import { InvalidOptionError } from "./errors.ts";
import type { ElectionEvent } from "./events.ts";

/** What is needed to observe an election. */
export interface ObserveOptions extends ConnectionOptions {
  /** The election's name. Its keys in etcd are `<name>/<lease id>`, as those of etcdctl and of Go's `concurrency` package. */
  name: string;
  /** A connection that several elections share, instead of `endpoints`, `tls`, `user` and `transport`. */
  connection?: Connection;
  /**
   * The lease's time to live in whole seconds: how long a dead leader keeps its place. For an observer,
   * how long it believes what it saw when etcd is silent.
   *
   * @default {5}
   */
  ttlSeconds?: number;
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
   * @default {ttlSeconds * 100, a tenth of the TTL}
   */
  stopBudgetMs?: number;
}

/** The TTL in seconds if nothing else is said. */
export const DEFAULT_TTL = 5;

const MAX_TTL = 86_400;

/** What each option should be, in the words of an error message. */
export const EXPECTED = {
  name: 'a name of 1 to 512 characters, without control characters or a trailing slash, such as "jobs" or "team/jobs"',
  ttl: `whole seconds from 1 to ${MAX_TTL}`,
  priority: "a whole number such as 0, 10 or -1",
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
 * Checks that a shared connection is not told where etcd is once more.
 *
 * @throws {InvalidOptionError} If it is.
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
 * @throws {InvalidOptionError} If it is negative or leaves too little of the TTL to lead in.
 */
export function checkStopBudget(stopBudgetMs: number | undefined, ttlSeconds: number): number | undefined {
  if (stopBudgetMs === undefined || (stopBudgetMs >= 0 && stopBudgetMs < ttlSeconds * 500)) return stopBudgetMs;
  throw new InvalidOptionError(
    "stopBudgetMs",
    stopBudgetMs,
    `milliseconds from 0 to less than ${ttlSeconds * 500}, half of the TTL`,
  );
}

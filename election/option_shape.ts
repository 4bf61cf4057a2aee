import { DEFAULT_ENDPOINT, maskPassword } from "./etcd/options.ts";
import { InvalidOptionError, NOT_SHOWN } from "./errors.ts";

/** The options of a connection, by name. */
const CONNECTION = ["endpoints", "tls", "user", "transport"] as const;

/** The options of an observer, by name. */
const OBSERVER = [...CONNECTION, "name", "connection", "ttlSeconds", "onEvent"] as const;

/** The options that each entry of the library takes. */
export const OPTION_NAMES = {
  connection: CONNECTION,
  observer: OBSERVER,
  candidate: [...OBSERVER, "candidate", "stopBudgetMs", "drainMs"],
  identity: ["id", "url", "priority", "meta"],
} as const;

/** What other libraries call our options, in lower case and without separators. */
const ALIASES: Readonly<Record<string, string>> = {
  host: "endpoints",
  hosts: "endpoints",
  server: "endpoints",
  servers: "endpoints",
  url: "endpoints",
  urls: "endpoints",
  etcd: "endpoints",
  ttl: "ttlSeconds",
  ttlms: "ttlSeconds",
  lease: "ttlSeconds",
  leasettl: "ttlSeconds",
  leaseduration: "ttlSeconds",
  id: "candidate: { id }",
  identity: "candidate: { id }",
  nodeid: "candidate: { id }",
  candidateid: "candidate: { id }",
  priority: "candidate: { priority }",
  key: "name",
  prefix: "name",
  election: "name",
  electionname: "name",
  lockname: "name",
  auth: "user",
  username: "user: { name, password }",
  password: "user: { name, password }",
  credentials: "tls for certificates, user for a password",
  ssl: "tls",
  ca: "tls: { ca }",
  cert: "tls: { cert, key }",
  certs: "tls",
  protocol: "transport",
  client: "connection",
  logger: "onEvent",
  log: "onEvent",
  renewdeadline: "stopBudgetMs",
};

/** The same for the options of `candidate`. */
const IDENTITY_ALIASES: Readonly<Record<string, string>> = {
  name: "id",
  value: "id",
  identity: "id",
  address: "url",
  endpoint: "url",
  weight: "priority",
  metadata: "meta",
  labels: "meta",
  tags: "meta",
};

/**
 * Checks what only JavaScript lets pass: unknown names, and values of another type.
 *
 * @throws {InvalidOptionError} If there is one.
 */
export function checkShape(options: object, of: keyof typeof OPTION_NAMES, more: readonly string[] = []): void {
  checkOptionNames(options, of, more);
  const { endpoints, tls, user, onEvent }: Record<string, unknown> = { ...options };
  if (endpoints !== undefined && !(Array.isArray(endpoints) && endpoints.every((one) => typeof one === "string"))) {
    const given = typeof endpoints === "string" ? maskPassword(endpoints) : endpoints;
    throw new InvalidOptionError("endpoints", given, `an array such as ["${DEFAULT_ENDPOINT}"]`);
  }
  const refreshable = (value: unknown) => ["undefined", "function", "object"].includes(typeof value) && value !== null;
  if (!refreshable(tls)) throw new InvalidOptionError("tls", NOT_SHOWN, "{ ca, cert, key }, or a function");
  if (!refreshable(user)) throw new InvalidOptionError("user", NOT_SHOWN, "{ name, password }, or a function");
  if (onEvent !== undefined && typeof onEvent !== "function") {
    throw new InvalidOptionError("onEvent", onEvent, "a function");
  }
}

/**
 * Checks that options are an object without unknown names: from JavaScript, a misspelt option would be ignored.
 *
 * @throws {InvalidOptionError} If they are not; the message says which option was probably meant.
 */
export function checkOptionNames(options: unknown, of: keyof typeof OPTION_NAMES, more: readonly string[] = []): void {
  const [what, example, aliases] = of === "identity"
    ? ["candidate", 'an object such as { id: "worker-1" }', IDENTITY_ALIASES]
    : ["options", of === "connection" ? "an object" : 'an object such as { name: "jobs" }', ALIASES];
  if (typeof options !== "object" || options === null) throw new InvalidOptionError(what, options, example);
  checkNames(options, [...OPTION_NAMES[of], ...more], aliases, of === "identity" ? "candidate." : "");
}

/**
 * Checks that all names are known.
 *
 * @throws {InvalidOptionError} If one is not; the message says which one was probably meant.
 */
export function checkNames(options: object, known: readonly string[], aliases = ALIASES, path = ""): void {
  for (const [name, value] of Object.entries(options)) {
    if (known.includes(name) || value === undefined) continue;
    const expected = meantBy(name, known, aliases) ?? `one of ${known.join(", ")}`;
    throw new InvalidOptionError(path + name, shown(name, value), expected);
  }
}

/** The option that was probably meant by an unknown name. */
function meantBy(name: string, known: readonly string[], aliases: typeof ALIASES): string | undefined {
  const plain = (text: string) => text.toLowerCase().replaceAll(/[^a-z]/g, "");
  const alias = Object.hasOwn(aliases, plain(name)) ? aliases[plain(name)]! : undefined;
  if (alias && known.includes(/^\w+/.exec(alias)![0])) return alias;
  // A name without its unit or its plural, or with other separators: `endpoint`, `stopBudget`, `on_event`.
  return known.find((one) => plain(one).startsWith(plain(name)) && plain(name).length > 2) ??
    known.find((one) => distance(plain(one), plain(name)) <= 2);
}

/** How many letters differ between two words (Levenshtein). */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    }
    row = next;
  }
  return row[b.length]!;
}

/** The value of an unknown option, unless it may be a secret. */
function shown(name: string, value: unknown): unknown {
  if (typeof value === "number" || typeof value === "boolean") return value;
  if (typeof value !== "string" || /pass|secret|token|key|cert|auth|cred|user/i.test(name)) return NOT_SHOWN;
  return maskPassword(value).slice(0, 100);
}

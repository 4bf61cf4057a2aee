import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  Connection,
  type ConnectionOptions,
  Election,
  type ElectionOptions,
  InvalidOptionError,
  observe,
  type ObserveOptions,
} from "../../election/mod.ts";
import { EXPECTED } from "../../election/options.ts";

Deno.test("options that cannot work are refused with the option's name and what is expected", () => {
  const cases: [options: object, option: string][] = [
    [{ name: "" }, "name"],
    [{ name: "a/" }, "name"],
    [{ name: "a\nb" }, "name"],
    [{ name: "x".repeat(513) }, "name"],
    [{ ttlSeconds: 0 }, "ttlSeconds"],
    [{ ttlSeconds: 1.5 }, "ttlSeconds"],
    [{ ttlSeconds: 100_000 }, "ttlSeconds"],
    [{ endpoints: [] }, "endpoints"],
    [{ endpoints: ["nonsense"] }, "endpoints"],
    [{ endpoints: ["http://a:1", "https://b:2"] }, "endpoints"],
    [{ endpoints: ["http://user:secret@a:1"] }, "endpoints"],
    [{ endpoints: ["http://a:1/path"] }, "endpoints"],
    [{ stopBudgetMs: 2500 }, "stopBudgetMs"],
    [{ stopBudgetMs: -1 }, "stopBudgetMs"],
    [{ stopBudgetMs: NaN }, "stopBudgetMs"],
  ];
  for (const [options, option] of cases) {
    const error = assertThrows(() => new Election({ name: "jobs", ...options }), InvalidOptionError);
    assertEquals(error.option, option);
    assert(error.message.startsWith(`Invalid option ${option}: `));
    assert(error.message.endsWith(`; expected ${error.expected}`));
    assert(!error.message.includes("secret"));
  }
});

Deno.test("the message shows what was given, also if there is no JSON of it", () => {
  const values: [given: unknown, shown: string][] = [
    [NaN, "NaN"],
    [-Infinity, "-Infinity"],
    [5n, "5n"],
    [[1, NaN, 5n, "x"], '[1,"NaN","5n","x"]'],
    [undefined, "undefined"],
    [() => {}, "a function"],
  ];
  for (const [given, shown] of values) {
    assertEquals(
      new InvalidOptionError("ttlSeconds", given, "x").message,
      `Invalid option ttlSeconds: ${shown}; expected x`,
    );
  }
});

Deno.test("a shared connection is not told twice where etcd is", () => {
  const connection = new Connection();
  assertThrows(
    () => new Election({ name: "jobs", connection, endpoints: ["a:1"] }),
    InvalidOptionError,
    "either connection, or endpoints, tls, user and transport",
  );
  assertThrows(() => new Connection({ endpoints: ["nonsense"] }), InvalidOptionError, "endpoints");
});

/** What programs in JavaScript, and users of other libraries, hand over. */
const MISTAKEN: [options: unknown, option: string, meant: string][] = [
  [undefined, "options", 'an object such as { name: "jobs" }'],
  ["jobs", "options", 'an object such as { name: "jobs" }'],
  [{}, "name", EXPECTED.name],
  [{ name: 5 }, "name", EXPECTED.name],
  [{ name: "jobs", hosts: "etcd:2379" }, "hosts", "endpoints"],
  [{ name: "jobs", endpoint: "etcd:2379" }, "endpoint", "endpoints"],
  [{ name: "jobs", url: "http://etcd:2379" }, "url", "endpoints"],
  [{ name: "jobs", endpoitns: ["etcd:2379"] }, "endpoitns", "endpoints"],
  [{ name: "jobs", endpoints: "http://etcd:2379" }, "endpoints", 'an array such as ["http://127.0.0.1:2379"]'],
  [{ name: "jobs", endpoints: [2379] }, "endpoints", 'an array such as ["http://127.0.0.1:2379"]'],
  [{ name: "jobs", ttl: 5000 }, "ttl", "ttlSeconds"],
  [{ name: "jobs", ttlMs: 5000 }, "ttlMs", "ttlSeconds"],
  [{ name: "jobs", ttlSeconds: "5" }, "ttlSeconds", EXPECTED.ttl],
  [{ name: "jobs", id: "a" }, "id", "candidate: { id }"],
  [{ name: "jobs", candidate: "a" }, "candidate", 'an object such as { id: "worker-1" }'],
  [{ name: "jobs", candidate: {} }, "candidate.id", EXPECTED.id],
  [{ name: "jobs", candidate: { id: "" } }, "candidate.id", EXPECTED.id],
  [{ name: "jobs", candidate: { name: "a" } }, "candidate.name", "id"],
  [{ name: "jobs", candidate: { id: "a", url: "host:8080" } }, "candidate.url", EXPECTED.url],
  [{ name: "jobs", candidate: { id: "a", url: "http://me:secret@host" } }, "candidate.url", EXPECTED.url],
  [{ name: "jobs", candidate: { id: "a", labels: {} } }, "candidate.labels", "meta"],
  [{ name: "jobs", candidate: { id: "a", meta: ["b"] } }, "candidate.meta", EXPECTED.meta],
  [{ name: "jobs", candidate: { id: "a", meta: { n: 5 } } }, "candidate.meta", EXPECTED.meta],
  [{ name: "jobs", candidate: { id: "a", meta: { text: "x".repeat(4096) } } }, "candidate.meta", EXPECTED.meta],
  [{ name: "jobs", stopBudget: 500 }, "stopBudget", "stopBudgetMs"],
  [{ name: "jobs", stopBudgetMs: "500" }, "stopBudgetMs", "milliseconds from 0 to less than 2500, half of the TTL"],
  [{ name: "jobs", drainMs: "500" }, "drainMs", "milliseconds, 0 or more; Infinity for no limit"],
  [{ name: "jobs", onevent: () => {} }, "onevent", "onEvent"],
  [{ name: "jobs", onEvent: "log" }, "onEvent", "a function"],
  [{ name: "jobs", password: "secret" }, "password", "user: { name, password }"],
  [{ name: "jobs", user: "me:secret" }, "user", "{ name, password }, or a function"],
  [{ name: "jobs", connection: { endpoints: [] } }, "connection", "a Connection of this library"],
  [{ name: "jobs", ttlSeconds: 5n }, "ttlSeconds", EXPECTED.ttl],
];

Deno.test("what only JavaScript lets pass is refused with the name of the option and of the one that was meant", () => {
  for (const [options, option, meant] of MISTAKEN) {
    const error = assertThrows(() => new Election(options as ElectionOptions), InvalidOptionError);
    assertEquals([error.option, error.expected], [option, meant]);
    assert(!error.message.includes("secret"), error.message);
  }
  const observing = assertThrows(() => observe({ name: "jobs", drainMs: 5 } as ObserveOptions), InvalidOptionError);
  assert(observing.message.startsWith("Invalid option drainMs: 5; expected one of endpoints, tls, "));
  assertThrows(() => new Connection({ host: "etcd" } as ConnectionOptions), InvalidOptionError, "expected endpoints");
});

Deno.test("an option that is undefined counts as not given", async () => {
  await new Election({ name: "jobs", hosts: undefined, candidate: undefined } as ElectionOptions).stop();
});

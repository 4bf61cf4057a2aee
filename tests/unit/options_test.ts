import { assert, assertEquals, assertThrows } from "@std/assert";
import { Connection, Election, InvalidOptionError } from "../../election/mod.ts";

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

Deno.test("a shared connection is not told twice where etcd is", () => {
  const connection = new Connection();
  assertThrows(
    () => new Election({ name: "jobs", connection, endpoints: ["a:1"] }),
    InvalidOptionError,
    "either connection, or endpoints, tls, user and transport",
  );
  assertThrows(() => new Connection({ endpoints: ["nonsense"] }), InvalidOptionError, "endpoints");
});

import { assertEquals } from "@std/assert";
import { TermEndedError } from "../../election/errors.ts";
import { withJson } from "../../election/json.ts";
import { OwnTerm } from "../../election/term.ts";

Deno.test("JSON of what the library hands out has bigints as strings, however deep", () => {
  const term = new OwnTerm("jobs/1", 7n, () => 4000);
  const candidate = { key: "jobs/1", token: 7n, id: "a", since: new Date(0), after: { token: 5n, left: "resigned" } };
  const event = withJson({
    type: "test",
    term,
    queue: [candidate],
    nothing: undefined,
    no: null,
    error: new Error("e"),
  });
  assertEquals(JSON.parse(JSON.stringify({ event })).event, {
    type: "test",
    term: { token: "7", validFor: 4000, stopWithin: 4000 },
    queue: [{
      key: "jobs/1",
      token: "7",
      id: "a",
      since: "1970-01-01T00:00:00.000Z",
      after: { token: "5", left: "resigned" },
    }],
    no: null,
    error: { name: "Error", message: "e" },
  });
  assertEquals(JSON.parse(JSON.stringify(withJson([{ ...candidate }])[0])).token, "7");
  assertEquals(JSON.stringify(withJson([null, "a", Object.freeze({ token: 7n })])), '[null,"a",{"token":"7"}]');
  assertEquals(JSON.stringify(withJson([candidate, 1n])).slice(0, 28), '[{"key":"jobs/1","token":"7"');
});

Deno.test("JSON of a term that has ended says why, and so does that of its error", () => {
  const term = new OwnTerm("jobs/1", 7n, () => 4000);
  term.end("resigned", () => 3000);
  assertEquals(JSON.stringify(term), '{"token":"7","ended":"resigned","validFor":0,"stopWithin":3000}');
  assertEquals(JSON.parse(JSON.stringify(new TermEndedError("expired", 7n))), {
    name: "TermEndedError",
    message: "The term with token 7 has ended (expired)",
    reason: "expired",
    token: "7",
  });
});

Deno.test("an object with toJSON still equals one without it", () => {
  assertEquals(withJson({ role: "stopped" }), { role: "stopped" });
  assertEquals(Object.keys(withJson({ role: "stopped" })), ["role"]);
});

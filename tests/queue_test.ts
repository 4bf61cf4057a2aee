import { assert, assertEquals } from "@std/assert";
import { applyChanges, decodeCandidate, encodeCandidate, sortQueue } from "../election/queue.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

Deno.test("a candidate's value is compact JSON and reads back", () => {
  const since = new Date("2026-01-02T03:04:05.678Z");
  const value = encodeCandidate({ id: "a", url: "http://host-a:8080" }, since);
  assertEquals(
    new TextDecoder().decode(value),
    `{"id":"a","url":"http://host-a:8080","since":"2026-01-02T03:04:05.678Z"}`,
  );
  assertEquals(decodeCandidate("jobs/1f", 7n, value), {
    key: "jobs/1f",
    token: 7n,
    id: "a",
    url: "http://host-a:8080",
    since,
  });
});

Deno.test("a foreign value is shown as a name, whatever it is", () => {
  const cases: [value: Uint8Array, id: string][] = [
    [bytes("host-b"), "host-b"],
    [bytes(""), "1f"],
    [bytes("a\r\nX-Evil: 1\x1b[2J"), "a\uFFFD\uFFFDX-Evil: 1\uFFFD[2J"],
    [bytes("safe\u202Ename"), "safe\uFFFDname"],
    [new Uint8Array([0xff, 0xfe, 0x00]), "\uFFFD\uFFFD\uFFFD"],
    [bytes("x".repeat(1_000_000)), "x".repeat(200) + "…"],
    [bytes("{broken"), "{broken"],
    [bytes(`["id"]`), `["id"]`],
    [bytes(`{"id":5}`), `{"id":5}`],
    [bytes(`{"id":"line\\nbreak"}`), "line\uFFFDbreak"],
    [bytes("null"), "null"],
  ];
  for (const [value, id] of cases) assertEquals(decodeCandidate("jobs/1f", 7n, value).id, id);
});

Deno.test("a URL that is no web address, or holds a password, is not passed on", () => {
  for (const url of ["javascript:alert(1)", "ftp://a", "http://user:secret@a", "no url", 5, null]) {
    const { url: shown } = decodeCandidate("jobs/1f", 7n, bytes(JSON.stringify({ id: "a", url })));
    assertEquals(shown, undefined, String(url));
  }
});

Deno.test("the queue is in the order of the create revisions, not of keys or arrival", () => {
  const candidate = (key: string, token: bigint) => decodeCandidate(key, token, bytes(key));
  const queue = sortQueue([candidate("p/b", 30n), candidate("p/a", 100n), candidate("p/c", 9n)]);
  assertEquals(queue.map(({ id }) => id), ["p/c", "p/b", "p/a"]);

  const changed = applyChanges(queue, [
    { type: "delete", key: "p/c" },
    { type: "put", candidate: candidate("p/d", 101n) },
    { type: "put", candidate: candidate("p/b", 30n) },
    { type: "delete", key: "p/unknown" },
  ]);
  assertEquals(changed.map(({ id }) => id), ["p/b", "p/a", "p/d"]);
  assert(queue.length === 3, "the old queue is left as it was");
});

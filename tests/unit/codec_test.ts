import { assertEquals } from "@std/assert";
import {
  candidateOf,
  decodeCandidate,
  encodeCandidate,
  encodeLeaving,
  encodeSuccessor,
  keyBytes,
  keyEvent,
  keyText,
  prefixRange,
  publicSelf,
} from "../../election/etcd/codec.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (value: Uint8Array) => new TextDecoder().decode(value);
const decode = (value: string) => decodeCandidate("jobs/1f", 7n, bytes(value));
const kv = { key: bytes("jobs/1f"), value: bytes("a"), create_revision: "7", mod_revision: "9", lease: "31" };

Deno.test("an election's keys are the range from its prefix to the next text of that length", () => {
  const { key, range_end } = prefixRange("jobs/");
  assertEquals([text(key), text(range_end)], ["jobs/", "jobs0"]);
});

Deno.test("an event of a watch is a candidate that came or changed, or a key that went", () => {
  const candidate = candidateOf(kv);
  assertEquals([candidate.key, candidate.token, candidate.id], ["jobs/1f", 7n, "a"]);
  assertEquals(keyEvent(false, kv), { revision: 9n, change: { type: "put", candidate } });
  assertEquals(keyEvent(true, kv), { revision: 9n, change: { type: "delete", key: "jobs/1f" } });
});

Deno.test("a key without a lease is told from those that expire", () => {
  assertEquals(candidateOf({ ...kv, lease: "0" }).leaseless, true);
  assertEquals("leaseless" in candidateOf(kv), false);
});

Deno.test("a leader that is about to leave says why, and stays who it is", () => {
  const self = { id: "a", url: "http://host-a", priority: 3, meta: { zone: "b" } };
  assertEquals(text(encodeLeaving({ id: "a" }, "resigned")), `{"id":"a","priority":0,"leaving":"resigned"}`);
  for (const reason of ["resigned", "switchover", "crashed"] as const) {
    const { id, url, priority, meta, leaving } = decodeCandidate("jobs/1f", 7n, encodeLeaving(self, reason));
    assertEquals({ id, url, priority, meta, leaving }, { ...self, leaving: reason });
  }
  assertEquals(decode(`{"id":"a","leaving":"bored"}`).leaving, undefined);
});

Deno.test("what a candidate says of itself is written, and read again, without a change", () => {
  const urls = [
    "http://a//",
    "http://a/x//",
    "http://a/?/",
    "http://a/#//",
    "http://a/ /",
    "http://a/x/..//",
    "HTTP://Ä/",
  ];
  const long = [`http://a/${"ö".repeat(340)}`, `http://a/${"ö".repeat(350)}`];
  for (const url of [...urls, ...long]) {
    const self = publicSelf({
      id: "\u200b\u200da" + "x".repeat(300),
      url,
      meta: { 2: "é\u200d\u200d", __proto: "\ud800", a: "" },
    });
    const { id, url: read, meta } = decodeCandidate("jobs/1f", 7n, encodeCandidate(self, new Date()));
    assertEquals({ id, url: read, meta }, { id: self.id, url: self.url, meta: self.meta }, url);
  }
});

Deno.test("a node shows its own name and URL as others read them", () => {
  assertEquals(publicSelf({ id: "a\nb", url: "http://host-a/", priority: 1, meta: { zone: "b\n" } }), {
    id: "a\uFFFDb",
    url: "http://host-a",
    priority: 1,
    meta: { zone: "b\uFFFD" },
  });
  assertEquals(publicSelf({ id: "x".repeat(201) }), {
    id: "x".repeat(200) + "…",
    url: undefined,
    priority: undefined,
  });
});

Deno.test("a name of 200 characters is whole; separators of lines are none of it", () => {
  assertEquals(decode("x".repeat(200)).id, "x".repeat(200));
  assertEquals(decode("a\u2028b\u2029c").id, "a\uFFFDb\uFFFDc");
});

Deno.test("a key that is no text after some letters is told from others, and made of its text again", () => {
  const keys = [[0x61, 0xff], [0x61, 0xfe]].map((key) => Uint8Array.from(key));
  for (const key of keys) assertEquals(keyBytes(keyText(key)), key);
});

Deno.test("a candidate without a value is called by the end of its key", () => {
  assertEquals(decodeCandidate("teams/jobs/1f", 7n, bytes("")).id, "1f");
});

Deno.test("a value of 16 KiB is read as a candidate's, a longer one only as a name", () => {
  const long = `{"id":"a","priority":5}`.padEnd(16 * 1024);
  assertEquals([decode(long).id, decode(long).priority], ["a", 5]);
  const tooLong = decode(long + " ");
  assertEquals([tooLong.id.slice(0, 8), tooLong.priority], [`{"id":"a`, undefined]);
});

Deno.test("a URL is shown up to 2048 characters, for the web only, and without secrets", () => {
  const url = (value: string) => decode(JSON.stringify({ id: "a", url: value })).url;
  const long = "http://a/".padEnd(2048, "x");
  assertEquals(url(long), long);
  for (const wrong of [`${long}x`, "http://user@a", "http://:secret@a", "shttp://a"]) {
    assertEquals(url(wrong), undefined, wrong.slice(0, 30));
  }
});

Deno.test("what a candidate says about itself is read back, also after a handoff, and nothing but texts", () => {
  const self = { id: "a", meta: { zone: "b" } };
  const read = decodeCandidate("jobs/1f", 7n, encodeCandidate(self, new Date(0)));
  assertEquals(read.meta, { zone: "b" });
  assertEquals(decodeCandidate("jobs/1f", 7n, encodeSuccessor(read, 5n, "resigned")).meta, { zone: "b" });
  const foreign = (meta: unknown) => new TextEncoder().encode(JSON.stringify({ id: "a", meta }));
  assertEquals(decodeCandidate("jobs/1f", 7n, foreign({ zone: 1, "na\nme": "te\u0000xt" })).meta, {
    "na\uFFFDme": "te\uFFFDxt",
  });
  for (const none of ["text", 5, null, ["b"]]) {
    assertEquals(decodeCandidate("jobs/1f", 7n, foreign(none)).meta, undefined);
  }
});

import { decodeCandidate, encodeCandidate, encodeSuccessor, keyBytes, keyText } from "../../election/etcd/codec.ts";
import { assert, assertEquals } from "@std/assert";
import type { KeyEvent } from "../../election/etcd/client.ts";
import {
  applyChanges,
  type Candidate,
  isQueued,
  planHandoff,
  type Queue,
  sortQueue,
} from "../../election/machine/queue.ts";
import { stagesOf } from "../../election/etcd/queue_watch.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

Deno.test("a candidate's value is compact JSON and reads back", () => {
  const since = new Date("2026-01-02T03:04:05.678Z");
  const value = encodeCandidate({ id: "a", url: "http://host-a:8080" }, since);
  assertEquals(
    new TextDecoder().decode(value),
    `{"id":"a","url":"http://host-a:8080","since":"2026-01-02T03:04:05.678Z","priority":0}`,
  );
  assertEquals(decodeCandidate("jobs/1f", 7n, value), {
    key: "jobs/1f",
    token: 7n,
    id: "a",
    url: "http://host-a:8080",
    since,
    priority: 0,
    leaving: undefined,
    after: undefined,
  });
});

Deno.test("a successor is told who left and why, and stays who it is", () => {
  const since = new Date("2026-01-02T03:04:05.678Z");
  const waiting = decodeCandidate(
    "jobs/1f",
    7n,
    encodeCandidate({ id: "a", url: "http://host-a", priority: 3 }, since),
  );
  const told = decodeCandidate("jobs/1f", 7n, encodeSuccessor(waiting, 2n ** 62n, "switchover"));
  assertEquals(told, { ...waiting, after: { token: 2n ** 62n, left: "switchover" } });
  for (
    const after of [null, 1, {}, { token: 1, left: "resigned" }, { token: "1e3", left: "resigned" }, { token: "1" }]
  ) {
    assertEquals(decodeCandidate("jobs/1f", 7n, bytes(JSON.stringify({ id: "a", after }))).after, undefined);
  }
});

/** A queue of candidates with these priorities; the first one leads, with token 1. */
function queueOf(...priorities: (number | undefined)[]) {
  return priorities.map((priority, index) => ({
    key: `jobs/${index}`,
    token: BigInt(index + 1),
    id: `${index}`,
    priority,
  }));
}

Deno.test("a handoff goes to the highest priority, the oldest of equals, or to the one that is named", () => {
  const cases: [queue: (number | undefined)[], to: number | undefined, next: number | undefined, passed: number[]][] = [
    [[0], undefined, undefined, []],
    [[0, 0, 0], undefined, 1, []],
    [[9, 1, 2, 2], undefined, 2, [1]],
    [[0, -1, 0], undefined, 2, [1]],
    [[0, 0, 5, undefined, 9], undefined, 2, [1]],
    [[0, undefined, 9], undefined, undefined, []],
    [[0, 5, 0, 0], 3, 3, [1, 2]],
    [[0, 5, undefined, 0], 3, undefined, []],
    [[0, 5], 0, undefined, []],
  ];
  for (const [priorities, to, next, passed] of cases) {
    const queue = queueOf(...priorities);
    const plan = planHandoff(queue, 1n, to === undefined ? undefined : BigInt(to + 1));
    const indexes = (candidates: typeof queue) => candidates.map((candidate) => queue.indexOf(candidate));
    assertEquals(plan && indexes([plan.to as typeof queue[0]])[0], next, JSON.stringify(priorities));
    assertEquals(indexes((plan?.passed ?? []) as typeof queue), passed, JSON.stringify(priorities));
  }
});

Deno.test("a handoff passes no more candidates than fit into one transaction of etcd", () => {
  const queue = queueOf(0, ...Array.from({ length: 150 }, (_, index) => index));
  const [last, tooFar] = [queue[100]!, queue[101]!];
  assertEquals(planHandoff(queue, 1n), { to: last, passed: queue.slice(1, 100) });
  assertEquals(planHandoff(queue, 1n, last.token)?.to, last);
  assertEquals(planHandoff(queue, 1n, tooFar.token), undefined);
});

Deno.test("a candidate is queued if its own key is there, as it was made", () => {
  const queue = [2n, 5n, 9n].map((token) => ({ key: `jobs/${token}`, token, id: "" }));
  for (const { key, token } of queue) assert(isQueued(queue, key, token));
  assert(!isQueued(queue, "jobs/5", 4n), "deleted and made again");
  assert(!isQueued(queue, "jobs/4", 5n), "another key has its token, since etcd lost data");
  for (const token of [1n, 3n, 10n]) assert(!isQueued(queue, `jobs/${token}`, token));
  assert(!isQueued([], "jobs/5", 5n));
});

Deno.test("a candidate in the middle of the queue whose value changes stays there, with what is new of it", () => {
  const [first, middle, last] = queueOf(0, 0, 0) as [Candidate, Candidate, Candidate];
  const candidate = { ...middle, since: new Date(2) };
  const before = [first, { ...middle, since: new Date(1) }, last];
  assertEquals(applyChanges(before, [{ type: "put", candidate }]), [first, candidate, last]);
});

Deno.test("of many changes at once the last queue is told, and each leader, however short its time was", () => {
  const [one, two, three, four] = queueOf(0, 0, 0, 0) as [Candidate, Candidate, Candidate, Candidate];
  const put = (candidate: Candidate) => ({ revision: candidate.token, change: { type: "put", candidate } }) as const;
  const gone = (revision: bigint, { key }: Candidate) => ({ revision, change: { type: "delete", key } }) as const;
  const told = (queue: Candidate[], events: KeyEvent[]) =>
    stagesOf(queue, events).map(({ queue, revision }) => [revision, queue.map(({ id }) => id).join()]);
  assertEquals(told([one], [put(two), put(three), put(four)]), [[4n, "0,1,2,3"]]);
  assertEquals(told([one, two], [put(three), gone(4n, one), gone(5n, two)]), [[3n, "0,1,2"], [4n, "1,2"], [5n, "2"]]);
  assertEquals(told([one, two, three], [gone(4n, one), gone(4n, two)]), [[4n, "2"]], "in one transaction");
  assertEquals(told([one, two], [gone(3n, two), gone(4n, one), put({ ...four, token: 5n })]), [
    [3n, "0"],
    [4n, ""],
    [5n, "3"],
  ]);
  assertEquals(told([one], []), []);
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
  const both = applyChanges(queue, [
    { type: "put", candidate: candidate("p/x", 200n) },
    { type: "put", candidate: candidate("p/y", 200n) },
  ]);
  assertEquals(both.slice(-2).map(({ id }) => id), ["p/x", "p/y"], "made in one transaction");
  const [since, leaving] = [new Date(0), { ...candidate("p/b", 30n), leaving: "resigned" as const }];
  const [left] = applyChanges([{ ...candidate("p/b", 30n), since }], [{ type: "put", candidate: leaving }]);
  assertEquals(left, { ...leaving, since }, "since when it was there is not forgotten");
  assert(queue.length === 3, "the old queue is left as it was");
});

Deno.test("keys that are no text are told apart", () => {
  const texts = [[0xff], [0xfe], [0xef, 0xbf, 0xbd], [0xc3, 0xbf], [0x61]].map((key) => keyText(Uint8Array.from(key)));
  assertEquals(new Set(texts).size, texts.length, texts.join());
  assertEquals(texts.slice(-2), ["ÿ", "a"]);
});

Deno.test("a change of very many keys takes time in proportion to the queue, not to its square", () => {
  const size = 5000;
  let reads = 0;
  const queue: Candidate[] = Array.from({ length: size }, (_, index) => ({
    get key() {
      reads++;
      return `jobs/${index}`;
    },
    token: BigInt(index + 1),
    id: `${index}`,
  }));
  const deletes = Array.from(
    { length: size - 1 },
    (_, index) => ({ type: "delete", key: `jobs/${index + 1}` } as const),
  );
  assertEquals(applyChanges(queue, deletes.toReversed()).map(({ id }) => id), ["0"]);
  assert(reads < 10 * size, `${reads} reads for ${size} keys`);
  reads = 0;
  const candidate = { key: "jobs/last", token: BigInt(size + 1), id: "last" };
  assertEquals(applyChanges(queue, [{ type: "put", candidate }]).at(-1), candidate);
  assertEquals(reads, 0, "a new candidate, which is the last, costs no look at the others");
});

Deno.test("many changes at once have the same result as one by one", () => {
  const candidate = (key: string, token: number, since?: Date): Candidate => ({
    key,
    token: BigInt(token),
    id: key,
    since,
  });
  const since = new Date(0);
  const queue = [candidate("a", 1, since), candidate("b", 2), candidate("c", 3)];
  const changes = [
    { type: "put", candidate: candidate("a", 1) },
    { type: "delete", key: "b" },
    { type: "put", candidate: candidate("b", 9) },
    { type: "delete", key: "none" },
    ...Array.from(
      { length: 30 },
      (_, index) => ({ type: "put", candidate: candidate(`n${index}`, 20 + index) } as const),
    ),
  ] as const;
  const oneByOne = changes.reduce((queue, change) => applyChanges(queue, [change]), queue as Queue);
  assertEquals(applyChanges(queue, changes), oneByOne);
  assertEquals(oneByOne.slice(0, 3).map(({ key, since }) => [key, since]), [["a", since], ["c", undefined], [
    "b",
    undefined,
  ]]);
});

Deno.test("every key is told apart from all others, and made of its text again", () => {
  const keys = [
    bytes("jobs/1f"),
    bytes("jobs/\uFFFD"),
    bytes("\uFFFDjobs"),
    bytes("\uFEFFjobs/1"),
    bytes("jobs/1"),
    new Uint8Array([0xff, 0xfe, 0]),
    new Uint8Array([0xc3, 0xbf]),
    new Uint8Array([0xff]),
  ];
  assertEquals(new Set(keys.map(keyText)).size, keys.length);
  for (const key of keys) assertEquals(keyBytes(keyText(key)), key);
});

Deno.test("of a very long value only the beginning is read", () => {
  const long = decodeCandidate("jobs/1", 1n, bytes(`{"id":"${"x".repeat(20_000)}"}`));
  assertEquals(long.priority, undefined);
  assertEquals(long.id.length, 201);
});

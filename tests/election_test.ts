import { assert, assertEquals, assertGreater, assertInstanceOf, assertRejects, assertThrows } from "@std/assert";
import { Etcd3 } from "etcd3";
import { LocalEtcd } from "../dev/local_etcd.ts";
import { type ElectionEvent, HandoffError, InvalidOptionError, observe, TermEndedError } from "../election/mod.ts";
import { sessionsClosed } from "../election/etcd/grpc/http2_patch.ts";
import { Candidate, joinInOrder, stopAll } from "./support/candidate.ts";
import { follows, isLeader, leads, until, within } from "./support/until.ts";
import { transport } from "./support/transport.ts";

/** The keys under a prefix, in the order of their create revisions, as etcdctl sees them. */
async function keys(etcd: LocalEtcd, prefix = "jobs/"): Promise<string[]> {
  const all = await etcd.ctl("get", prefix, "--prefix", "--keys-only", "--sort-by=CREATE");
  return all.split("\n").filter((line) => line !== "");
}

Deno.test("a lone candidate leads, and its token is its key's create revision", async () => {
  await using etcd = await LocalEtcd.start();
  await etcd.ctl("put", "unrelated", "to have other revisions");
  await using a = new Candidate(etcd, "a");
  const { term, leader } = await leads(a);
  assertEquals(leader, { id: "a", url: "http://localhost/a", token: term.token, since: leader.since });
  const { kvs } = JSON.parse(await etcd.ctl("get", "jobs/", "--prefix", "-w", "json"));
  assertEquals(kvs.length, 1);
  assertEquals(term.token, BigInt(kvs[0].create_revision));
  const { id, url, since } = JSON.parse(atob(kvs[0].value));
  assertEquals({ id, url }, { id: "a", url: "http://localhost/a" });
  assert(Math.abs(Date.parse(since) - Date.now()) < 60_000);
  assertEquals(atob(kvs[0].key), `jobs/${a.status.lease?.id}`);
});

Deno.test("of three candidates one leads, and all agree who", async () => {
  await using etcd = await LocalEtcd.start();
  const all = await joinInOrder(etcd, "a", "b", "c");
  await leads(all[0]!);
  await follows(all[1]!, "a");
  await follows(all[2]!, "a");
  await all[0]!.sees(/^a,b,c$/);
  assertEquals(all.map(({ state }) => state.leader?.token), Array(3).fill(all[0]!.state.leader?.token));
  await stopAll(all);
});

Deno.test("a leader that stops hands over to the next, and leaves nothing behind", async () => {
  await using etcd = await LocalEtcd.start();
  const [a, b, c] = await joinInOrder(etcd, "a", "b", "c") as [Candidate, Candidate, Candidate];
  const { term } = await leads(a);
  const key = `jobs/${a.status.lease?.id}`;
  const [, next] = await Promise.all([a.stop(), leads(b), follows(c, "b")]);
  assertGreater(next.term.token, term.token);
  assertEquals(a.state, { role: "stopped" });
  assert(!(await keys(etcd)).includes(key));
  await stopAll([b, c]);
  assertEquals(await keys(etcd), []);
  assertEquals(await etcd.ctl("lease", "list"), "found 0 leases");
});

Deno.test("one who resigns queues again at the end", async () => {
  await using etcd = await LocalEtcd.start();
  const [a, b, c] = await joinInOrder(etcd, "a", "b", "c") as [Candidate, Candidate, Candidate];
  const { term } = await leads(a);
  await a.resign();
  assert(term.signal.aborted);
  assertEquals(term.signal.reason.reason, "resigned");
  await leads(b);
  await c.sees(/^b,c,a$/);
  await a.resign();
  assertEquals(c.queue, "b,c,a", "one who waits stays where it is");
  await stopAll([a, b, c]);
});

Deno.test("the lead is handed to the one that is named, and those that it passes queue again", async () => {
  await using etcd = await LocalEtcd.start();
  const [a, b, c, d] = await joinInOrder(etcd, "a", "b", "c", "d") as [Candidate, Candidate, Candidate, Candidate];
  await leads(a);
  await a.sees(/d$/);
  const { token } = a.status.queue[3]!;
  await a.resign({ to: a.status.queue[3] });
  assertEquals((await leads(d)).term.token, token, "it keeps its key");
  await d.sees(/^d,([abc],){2}[abc]$/);
  await assertRejects(
    () => a.resign({ to: a.status.queue[0] }),
    HandoffError,
    "Cannot hand over to d: it is not one of the first 100 that wait, or a candidate of another program is queued before it",
  );
  await stopAll([a, b, c, d]);
  assertEquals(await etcd.ctl("lease", "list"), "found 0 leases");
});

Deno.test("a leader that leaves gives the lead to the highest priority", async () => {
  await using etcd = await LocalEtcd.start();
  const [a, b] = await joinInOrder(etcd, "a", "b") as [Candidate, Candidate];
  const c = new Candidate(etcd, "c", { candidate: { id: "c", priority: 5 } });
  await a.sees(/^a,b,c$/);
  await a.stop();
  await leads(c);
  await c.sees(/^c,b$/);
  await stopAll([b, c]);
});

Deno.test("the lead is handed over only when the loop's body has ended", async () => {
  await using etcd = await LocalEtcd.start();
  const [a, b] = await joinInOrder(etcd, "a", "b") as [Candidate, Candidate];
  const events: string[] = [];
  const working = Promise.withResolvers<void>();
  const mayEnd = Promise.withResolvers<void>();
  const loop = (async () => {
    for await (const state of a) {
      if (state.role !== "leader" || events.length > 0) continue;
      events.push("works");
      working.resolve();
      await new Promise((stop) => state.term.signal.addEventListener("abort", stop));
      events.push("is told to stop");
      await mayEnd.promise;
      events.push("has stopped");
    }
  })();
  await working.promise;
  const handover = leads(b).then(() => events.push("the next leads"));
  const resigned = a.resign();
  await etcd.ctl("get", "to let some time pass");
  assertEquals(b.state.leader?.id, "a", "the key is still there");
  mayEnd.resolve();
  await Promise.all([resigned, handover]);
  assertEquals(events, ["works", "is told to stop", "has stopped", "the next leads"]);
  await stopAll([a, b]);
  await loop;
});

for (
  const [what, take] of [
    ["key is deleted", async (etcd: LocalEtcd, lease: string) => await etcd.ctl("del", `jobs/${lease}`)],
    ["lease is revoked", async (etcd: LocalEtcd, lease: string) => await etcd.ctl("lease", "revoke", lease)],
  ] as const
) {
  Deno.test(`a leader whose ${what} by an operator stops, and queues again behind the next`, async () => {
    await using etcd = await LocalEtcd.start();
    const [a, b] = await joinInOrder(etcd, "a", "b") as [Candidate, Candidate];
    const { term } = await leads(a);
    await take(etcd, a.status.lease!.id);
    const next = await leads(b);
    await follows(a, "b");
    assert(term.signal.aborted);
    assertEquals(term.signal.reason.reason, "key-gone");
    assertGreater(next.term.token, term.token);
    await b.sees(/^b,a$/);
    await b.stop();
    assertGreater((await leads(a)).term.token, next.term.token);
    await a.stop();
  });

  Deno.test(`one who waits and whose ${what} is no phantom when the leader goes`, async () => {
    await using etcd = await LocalEtcd.start();
    const [a, b, c] = await joinInOrder(etcd, "a", "b", "c") as [Candidate, Candidate, Candidate];
    const before = b.status.lease!.id;
    await take(etcd, before);
    await c.sees(/^a,c,b$/);
    assert(b.status.lease!.id !== before);
    await a.stop();
    const { term } = await leads(c);
    await follows(b, "c");
    await c.stop();
    assertGreater((await leads(b)).term.token, term.token);
    await b.stop();
  });
}

Deno.test("when the middle one of three leaves, the lead stays and then goes to the third", async () => {
  await using etcd = await LocalEtcd.start();
  const [a, b, c] = await joinInOrder(etcd, "a", "b", "c") as [Candidate, Candidate, Candidate];
  const { term } = await leads(a);
  await b.stop();
  await c.sees(/^a,c$/);
  assert(isLeader(a.state) && a.state.term === term);
  await a.stop();
  await leads(c);
  await c.stop();
});

Deno.test("an election named xy has nothing to do with one named xyz, nor with a key xy", async () => {
  await using etcd = await LocalEtcd.start();
  await etcd.ctl("put", "xy", "no candidate");
  await using xyz = new Candidate(etcd, "in xyz", { name: "xyz" });
  await leads(xyz);
  await using xy = new Candidate(etcd, "in xy", { name: "xy" });
  await leads(xy);
  assert(isLeader(xyz.state));
  await Promise.all([xy.sees(/^in xy$/), xyz.sees(/^in xyz$/)]);
});

Deno.test("foreign values under the prefix are shown as names and break nothing", async () => {
  await using etcd = await LocalEtcd.start();
  // Two of more than 4 MB together: what gRPC takes by default would not hold them.
  const client = new Etcd3({ hosts: etcd.endpoint });
  const values = [Buffer.from([0xff, 0x00, 0x1b]), Buffer.alloc(0), ...Array(4).fill(Buffer.alloc(1_300_000, "x"))];
  for (const [index, value] of values.entries()) await client.put(`jobs/foreign-${index}`).value(value);
  await using a = new Candidate(etcd, "a");
  await follows(a, "\uFFFD\uFFFD\uFFFD");
  assertEquals(a.status.queue[1]?.id, "foreign-1");
  assertEquals(a.status.queue[2]?.id, "x".repeat(200) + "…");
  await client.delete().prefix("jobs/foreign-");
  await leads(a);
  client.close();
});

Deno.test("an observer sees who leads and never stands in the queue", async () => {
  await using etcd = await LocalEtcd.start();
  await using observer = observe({ name: "jobs", endpoints: [etcd.endpoint], transport });
  const nobody = await until(observer, "to see an empty election", (state) => state.role === "follower");
  assertEquals(nobody.leader, undefined);
  const a = new Candidate(etcd, "a");
  const { leader } = await follows(observer, "a");
  assertEquals(leader?.url, "http://localhost/a");
  assertEquals((await keys(etcd)).length, 1);
  await a.stop();
  await until(observer, "to see that nobody leads", (state) => state.role === "follower" && !state.leader);
});

Deno.test("several readers at once each get the newest state, and all end with stopped", async () => {
  await using etcd = await LocalEtcd.start();
  const a = new Candidate(etcd, "a");
  const read = async () => {
    const roles: string[] = [];
    for await (const { role } of a) roles.push(role);
    return roles;
  };
  const readers = [read(), read()];
  await leads(a);
  const late = read();
  await a.stop();
  for (const roles of await within(5000, "the readers to end", Promise.all(readers))) {
    assertEquals(roles[0], "connecting");
    assert(roles.includes("leader"));
    assertEquals(roles.at(-1), "stopped");
  }
  assertEquals((await late)[0], "leader");
  assertEquals(await read(), ["stopped"], "one that comes later is told so, and ends");
});

Deno.test("a slow reader skips states, but the end of a term is not lost on it", async () => {
  await using etcd = await LocalEtcd.start();
  const [a, b] = await joinInOrder(etcd, "a", "b") as [Candidate, Candidate];
  const slow = a[Symbol.asyncIterator]();
  let state = (await slow.next()).value;
  while (state.role !== "leader") state = (await slow.next()).value;
  const former = state.term;
  // It comes back to be told the next state only when all this is over.
  await etcd.ctl("del", `jobs/${a.status.lease!.id}`);
  await leads(b);
  await b.sees(/^b,a$/);
  await b.resign();
  await leads(a);
  assert(former.signal.aborted);
  state = (await slow.next()).value;
  assertEquals(state.role, "leader");
  assertGreater(state.term.token, former.token);
  await slow.return?.();
  await stopAll([a, b]);
});

Deno.test("a term tells how long it holds, and its guard lets only the leader write", async () => {
  await using etcd = await LocalEtcd.start();
  const a = new Candidate(etcd, "a");
  const { term } = await leads(a);
  assertGreater(term.validFor(), 0);
  assert(term.validFor() <= 4950, "never longer than the TTL less one percent");
  term.assert();

  const client = new Etcd3({ hosts: etcd.endpoint });
  const write = () => client.if(...term.guard).then(client.put("result").value("by a")).commit();
  assert((await write()).succeeded);
  await a.stop();
  assert(!(await write()).succeeded);
  client.close();
  await sessionsClosed();

  assertEquals(term.validFor(), 0);
  const error = assertThrows(() => term.assert(), TermEndedError);
  assertEquals([error.reason, error.token], ["stopped", term.token]);
  assertEquals(error.message, `The term with token ${term.token} has ended (stopped)`);
  assertInstanceOf(term.signal.reason, TermEndedError);
});

Deno.test("the TTL that etcd grants is told, but one that is longer than asked for does not count", async () => {
  await using etcd = await LocalEtcd.start();
  const events: ElectionEvent[] = [];
  await using a = new Candidate(etcd, "a", { ttlSeconds: 1, onEvent: (event) => events.push(event) });
  await leads(a);
  const granted = events.find((event) => event.type === "lease-granted");
  assertEquals([granted?.requestedTtlMs, granted?.ttlMs], [1000, 2000]);
  assertEquals(a.status.lease?.ttlMs, 1000);
});

Deno.test("an abort listener may call back into its election", async () => {
  await using etcd = await LocalEtcd.start();
  await using a = new Candidate(etcd, "a");
  const { term } = await leads(a);
  const roles: string[] = [];
  term.signal.addEventListener("abort", () => {
    roles.push(a.state.role);
    a.resign().then(() => roles.push("resigned"));
  });
  await a.resign();
  await leads(a);
  assertEquals(roles, ["follower", "resigned"]);
});

Deno.test("states and events can be written as JSON, and a log function that fails ends nothing", async () => {
  await using etcd = await LocalEtcd.start();
  const [console, said] = [globalThis.console.error, [] as string[]];
  globalThis.console.error = (...words: unknown[]) => said.push(words.join(" "));
  try {
    const json: string[] = [];
    // The second one as an async function does.
    const failures: Record<string, () => unknown> = {
      "queued": () => {
        throw new Error("thrown");
      },
      "term-extended": () => Promise.reject(new Error("rejected")),
    };
    const onEvent = (event: ElectionEvent) => {
      json.push(JSON.stringify(event));
      return failures[event.type]?.();
    };
    const a = new Candidate(etcd, "a", { onEvent });
    const state = await leads(a);
    assertEquals(JSON.parse(JSON.stringify(state)).term.token, String(state.term.token));
    assertEquals(JSON.parse(JSON.stringify(state.leader)).token, String(state.term.token));
    assertEquals(JSON.parse(JSON.stringify(a.status)).queue[0]?.id, a.status.queue[0]?.id);
    await a.sees(/^a$/);
    JSON.stringify(a.status.queue);
    await a.stop();
    for (const type of ["lease-granted", "queued", "term-extended", "queue-changed"]) {
      assert(json.some((text) => JSON.parse(text).type === type), type);
    }
    assert(said.includes("leader-node: onEvent has failed: Error: thrown"), said.join());
    assert(said.includes("leader-node: onEvent has failed: Error: rejected"), said.join());
  } finally {
    globalThis.console.error = console;
  }
});

Deno.test("a candidate that describes itself anew keeps its place, its token and its term", async () => {
  await using etcd = await LocalEtcd.start();
  const [a, b] = await joinInOrder(etcd, "a", "b") as [Candidate, Candidate];
  const { term } = await leads(a);
  let bodies = 0;
  const loop = (async () => {
    for await (const { role } of a) if (role === "leader") bodies++;
  })();
  await a.update({ url: "http://localhost/new", meta: { state: "warm" } });
  const { leader } = await until(b, "to see the new URL", ({ leader }) => leader?.url === "http://localhost/new");
  assertEquals([leader?.meta, leader?.token], [{ state: "warm" }, term.token]);
  assertEquals([a.state.leader?.url, a.state.leader?.meta], ["http://localhost/new", { state: "warm" }]);
  assert(isLeader(a.state) && a.state.term === term);
  await b.update({ meta: { state: "cold" } });
  await a.sees(/^a,b$/);
  await a.stop();
  await loop;
  assertEquals(bodies, 1, "the body of a loop is not called again for the same term");
  const { leader: next } = await leads(b);
  assertEquals([next.url, next.meta], ["http://localhost/b", { state: "cold" }]);
  const { kvs } = JSON.parse(await etcd.ctl("get", "jobs/", "--prefix", "-w", "json"));
  assertEquals(JSON.parse(atob(kvs[0].value)).meta, { state: "cold" }, "the handoff keeps it");
  await assertRejects(() => b.update({ url: "nonsense" }), InvalidOptionError, "Invalid option candidate.url");
  await assertRejects(() => b.update({ meta: { n: 5 } as unknown as Record<string, string> }), InvalidOptionError);
  // It stays when the key is lost.
  await etcd.ctl("del", "jobs/", "--prefix");
  await until(b, "to lead anew", (state) => isLeader(state) && state.term.token > next.token);
  await b.sees(/^b$/);
  assertEquals(b.status.queue[0]?.meta, { state: "cold" });
  await b.stop();
});

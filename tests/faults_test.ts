import { assert, assertEquals, assertGreater, assertRejects, assertStringIncludes } from "@std/assert";
import { LocalEtcd } from "../dev/local_etcd.ts";
import { checkEtcdOptions } from "../election/etcd/options.ts";
import { EtcdLink } from "../election/etcd/link.ts";
import { EtcdStore } from "../election/etcd/store.ts";
import type { ElectionEvent } from "../election/mod.ts";
import type { Queue } from "../election/machine/queue.ts";
import { StoreError } from "../election/store.ts";
import { agree, Candidate, joinInOrder, stopAll } from "./support/candidate.ts";
import { unixTest } from "./support/systems.ts";
import { follows, isLeader, leads, promptly, until, within } from "./support/until.ts";
import { transport } from "./support/transport.ts";

/** Resolves when the candidate no longer says that it leads. */
function ceases(candidate: Candidate): Promise<unknown> {
  return until(candidate, "to cease to lead", (state) => !isLeader(state));
}

for (const signal of ["SIGTERM", "SIGKILL"] as const) {
  Deno.test(`etcd ended by ${signal} and started again at once: the leader stays`, async () => {
    await using etcd = await LocalEtcd.start();
    // A TTL that outlasts the start of etcd also on a busy machine.
    const a = new Candidate(etcd, "a", { ttlSeconds: 30 });
    const { term } = await leads(a);
    const b = new Candidate(etcd, "b", { ttlSeconds: 30 });
    await follows(b, "a");
    await etcd.stop(signal);
    await etcd.start();
    assertEquals(await agree([a, b]), a);
    assert(isLeader(a.state) && a.state.term === term, "without an interruption");
    await stopAll([a, b]);
  });

  Deno.test(`etcd ended by ${signal} and away for longer than the TTL: nobody leads, then one does`, async () => {
    await using etcd = await LocalEtcd.start();
    const told: string[] = [];
    const answers = Promise.withResolvers<void>();
    const onEvent = ({ type }: ElectionEvent) => {
      if (type.startsWith("etcd-")) told.push(type);
      if (type === "etcd-answers") answers.resolve();
    };
    const a = new Candidate(etcd, "a", { ttlSeconds: 2, onEvent });
    const { term } = await leads(a);
    const b = new Candidate(etcd, "b", { ttlSeconds: 2 });
    await follows(b, "a");
    await etcd.stop(signal);
    await ceases(a);
    assertEquals(term.signal.reason.reason, "expired");
    await until(b, "to know of no leader", (state) => state.role === "connecting");
    await until(a, "to know of no leader", (state) => state.role === "connecting");
    await etcd.start();
    await agree([a, b]);
    await within(5000, "to be told that etcd answers", answers.promise);
    assertEquals(told, ["etcd-failing", "etcd-answers"], "told once, not at every try");
    await stopAll([a, b]);
  });
}

Deno.test("etcd that is not there at the start is waited for", async () => {
  await using etcd = await LocalEtcd.prepare();
  const failing = Promise.withResolvers<string>();
  const onEvent = (event: ElectionEvent) => event.type === "etcd-failing" && failing.resolve(event.message);
  const a = new Candidate(etcd, "a", { onEvent });
  assertEquals(
    await within(5000, "the report", failing.promise),
    `etcd at 127.0.0.1:${etcd.port} cannot be reached: connection refused`,
  );
  assertEquals(a.state.role, "connecting");
  await etcd.start();
  await leads(a);
  await a.stop();
});

unixTest("etcd that answers nothing: the leader ceases before its lease can end, and leads again after", async () => {
  await using etcd = await LocalEtcd.start();
  const a = new Candidate(etcd, "a", { ttlSeconds: 2 });
  const { term } = await leads(a);
  etcd.signal("SIGSTOP");
  let validFor = term.validFor();
  term.signal.addEventListener("abort", () => validFor = a.status.lease!.ttlMs);
  await ceases(a);
  assert(validFor > 0);
  assertEquals(term.signal.reason.reason, "expired");
  etcd.signal("SIGCONT");
  await leads(a);
  await a.stop();
});

unixTest("a grant that etcd answers late counts from when it was sent", async () => {
  await using etcd = await LocalEtcd.start();
  etcd.signal("SIGSTOP");
  const sentAt = performance.now();
  const a = new Candidate(etcd, "a");
  // The fault itself: etcd is frozen for this long, and no longer than a call may take.
  await new Promise((resolve) => setTimeout(resolve, 600));
  etcd.signal("SIGCONT");
  const { term } = await leads(a);
  const age = performance.now() - sentAt;
  assertGreater(age, 600);
  assert(term.validFor() <= 4950 - 600, `valid for ${term.validFor()} ms, though the grant was sent ${age} ms ago`);
  await a.stop();
});

unixTest("stopping does not wait for an etcd that is away or silent", async () => {
  await using etcd = await LocalEtcd.start();
  const [a, b] = await joinInOrder(etcd, "a", "b") as [Candidate, Candidate];
  await leads(a);
  etcd.signal("SIGSTOP");
  await promptly(8000, "to stop while etcd is silent", stopAll([a, b]));
  etcd.signal("SIGCONT");

  const c = new Candidate(etcd, "c");
  await c.sees(/c$/);
  await etcd.stop("SIGKILL");
  await promptly(8000, "to stop while etcd is away", c.stop());
});

Deno.test("a candidate that never reached etcd stops at once", async () => {
  await using etcd = await LocalEtcd.prepare();
  const a = new Candidate(etcd, "a");
  await promptly(3000, "to stop", a.stop());
  assertEquals(a.state.role, "stopped");
});

Deno.test("a dead endpoint in the list is passed over", async () => {
  await using dead = await LocalEtcd.prepare();
  await using etcd = await LocalEtcd.start();
  const a = new Candidate(etcd, "a", { endpoints: [dead.endpoint, etcd.endpoint] });
  await leads(a);
  await a.stop();
});

Deno.test("what changes after the list is told, also if etcd compacts its history at once", async () => {
  await using etcd = await LocalEtcd.start();
  const link = new EtcdLink(checkEtcdOptions({ endpoints: [etcd.endpoint], transport }));
  const store = new EtcdStore({ prefix: "jobs/", self: { id: "a" }, ttlMs: 5000 }, link);
  await etcd.ctl("put", "jobs/1", "one");
  const ctl = (...args: string[]) => assert(etcd.command(args).outputSync().success);
  let queue: Queue = [];
  const leaders: (string | undefined)[] = [];
  const complete = Promise.withResolvers<void>();
  const close = store.watch((notice) => {
    if (notice.type === "listed") {
      queue = notice.queue;
      // In one turn of the event loop: nothing of it can be read before it has all happened.
      ctl("put", "jobs/2", "two");
      ctl("put", "jobs/3", "three");
      ctl("del", "jobs/1");
      ctl("del", "jobs/2");
      ctl("compact", String(notice.revision + 4n));
    }
    if (notice.type === "changed") queue = notice.queue;
    if (queue[0]?.id !== leaders.at(-1)) leaders.push(queue[0]?.id);
    if (queue.map(({ id }) => id).join() === "three") complete.resolve();
  });
  await within(5000, "the changes", complete.promise);
  assertEquals(leaders, ["one", "two", "three"], "each leader, however short its time was");
  close();
  await link.close();
});

Deno.test("a key is withdrawn also when the next one has left; not when it would pass over others for nothing", async () => {
  await using etcd = await LocalEtcd.start();
  const link = new EtcdLink(checkEtcdOptions({ endpoints: [etcd.endpoint], transport }));
  const store = new EtcdStore({ prefix: "jobs/", self: { id: "a" }, ttlMs: 5000 }, link);
  const { leaseId } = await store.grant(5000, 1000);
  const queue = async (key: string) => ({ key, id: key, priority: 0, ...await store.enqueue(key, leaseId, 1000) });
  const [a, b, c] = [await queue("jobs/a"), await queue("jobs/b"), await queue("jobs/c")];
  const gone = { ...b, token: 1n };
  const keys = () => etcd.ctl("get", "--prefix", "jobs/", "--keys-only", "--sort-by=CREATE");
  const changed = await assertRejects(
    () => store.withdraw(a.key, a.token, 1000, { leaving: "switchover", handoff: { to: c, passed: [gone] } }),
    StoreError,
  );
  assertEquals([changed.failure, await keys()], ["changed", "jobs/a\n\njobs/b\n\njobs/c"]);
  await store.withdraw(a.key, a.token, 1000, { leaving: "resigned", handoff: { to: gone, passed: [] } });
  assertEquals(await keys(), "jobs/b\n\njobs/c");
  await store.withdraw(b.key, b.token, 1000, { leaving: "resigned", handoff: { to: c, passed: [] } });
  assertEquals(await keys(), "jobs/c");
  assertStringIncludes(await etcd.ctl("get", "jobs/c"), `"after":{"token":"${b.token}","left":"resigned"}`);
  assertStringIncludes(await etcd.ctl("lease", "timetolive", leaseId.toString(16), "--keys"), "jobs/c");
  await store.revoke(leaseId, 1000);
  await link.close();
});

Deno.test("a watch that is probed on a quiet etcd stays open", async () => {
  await using etcd = await LocalEtcd.start();
  const link = new EtcdLink(checkEtcdOptions({ endpoints: [etcd.endpoint], transport }));
  const store = new EtcdStore({ prefix: "jobs/", self: { id: "a" }, ttlMs: 2000 }, link);
  const probed = Promise.withResolvers<void>();
  let alive = 0;
  const close = store.watch(({ type }) => {
    if (type === "lost") probed.reject(new Error("the watch was lost"));
    if (type === "alive" && ++alive === 4) probed.resolve();
  });
  await within(10_000, "three probes", probed.promise);
  close();
  await link.close();
});

Deno.test("an etcd that was away and compacted its history meanwhile: the queue is read anew", async () => {
  await using etcd = await LocalEtcd.start();
  const [a, b] = await joinInOrder(etcd, "a", "b") as [Candidate, Candidate];
  await leads(a);
  await etcd.stop();
  await etcd.start();
  for (let put = 0; put < 50; put++) await etcd.ctl("put", "jobs/stranger", String(put));
  await etcd.ctl("compact", "40");
  await etcd.stop("SIGKILL");
  await etcd.start();
  await a.sees(/^a,b,49$/);
  await b.sees(/^a,b,49$/);
  const before = a.state.leader!.token;
  await a.stop();
  assertGreater((await leads(b)).term.token, before);
  await b.stop();
});

for (const older of [60, 0]) {
  Deno.test(`etcd that lost its data, with ${older} older revisions: the old leader begins anew at once`, async () => {
    await using etcd = await LocalEtcd.start();
    for (let count = 0; count < older; count++) await put(etcd);
    const lost = Promise.withResolvers<ElectionEvent & { type: "etcd-data-lost" }>();
    // Its next renewal is minutes away.
    const onEvent = (event: ElectionEvent) => event.type === "etcd-data-lost" && lost.resolve(event);
    const a = new Candidate(etcd, "a", { ttlSeconds: 600, onEvent });
    const { term } = await leads(a);
    await etcd.stop("SIGKILL");
    await etcd.loseData();
    await etcd.start();
    const b = new Candidate(etcd, "b", { ttlSeconds: 600 });
    await ceases(a);
    assertEquals(term.signal.reason.reason, "key-gone");
    await agree([a, b]);
    if (older > 0) assertEquals((await lost.promise).token, term.token);
    await stopAll([a, b]);
  });
}

/** Writes a key that has nothing to do with elections. */
async function put({ endpoint }: LocalEtcd): Promise<void> {
  const body = JSON.stringify({ key: btoa("other"), value: btoa("value") });
  const response = await fetch(`${endpoint}/v3/kv/put`, { method: "POST", body });
  assert(response.ok, await response.text());
}

import { assert, assertEquals, assertRejects } from "@std/assert";
import { LocalEtcd } from "../dev/local_etcd.ts";
import {
  Connection,
  Election,
  findLeader,
  NotElectedError,
  TermEndedError,
  whileLeader,
  withLock,
} from "../election/mod.ts";
import { Candidate } from "./support/candidate.ts";
import { transport } from "./support/transport.ts";
import { leads } from "./support/until.ts";

Deno.test("a lock is held by one at a time, in the order of the queue, and leaves nothing behind", async () => {
  await using etcd = await LocalEtcd.start();
  const connections = [1, 2].map(() => new Connection({ endpoints: [etcd.endpoint], transport }));
  const tokens: bigint[] = [];
  let holders = 0;
  const take = (connection: Connection) =>
    withLock("lock", async ({ token }) => {
      assertEquals(++holders, 1);
      tokens.push(token);
      await etcd.ctl("get", "something");
      holders--;
      return tokens.length;
    }, { connection });
  const results = await Promise.all([...connections, ...connections, ...connections].map(take));
  assertEquals(results.toSorted(), [1, 2, 3, 4, 5, 6]);
  assertEquals(tokens, tokens.toSorted((a, b) => Number(a - b)));
  // All that holds a lock is its key, which is gone by now; `close` sees to the rest.
  assertEquals(await etcd.ctl("get", "lock/", "--prefix"), "");
  for (const connection of connections) await connection.close();
  assertEquals(await etcd.ctl("lease", "list"), "found 0 leases");
});

Deno.test("a lock whose holder throws is free, and one that is taken is waited for as long as is said", async () => {
  await using etcd = await LocalEtcd.start();
  const options = { endpoints: [etcd.endpoint], transport };
  const failing = () => withLock("lock", () => Promise.reject(new Error("no disk")), options);
  await assertRejects(failing, Error, "no disk");
  await withLock("lock", async () => {
    await assertRejects(() => withLock("lock", () => {}, { ...options, wait: 300 }), NotElectedError);
    const enough = new AbortController();
    const waiting = withLock("lock", () => {}, { ...options, signal: enough.signal });
    enough.abort(new Error("enough"));
    await assertRejects(() => waiting, Error, "enough");
  }, options);
  assertEquals(await etcd.ctl("lease", "list"), "found 0 leases");
});

Deno.test("a lock that was lost is an error, and its section does not run again", async () => {
  await using etcd = await LocalEtcd.start();
  let runs = 0;
  const losing = withLock("lock", async ({ guard, signal }) => {
    runs++;
    await etcd.ctl("del", guard[0]);
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener("abort", resolve));
    return "too late";
  }, { endpoints: [etcd.endpoint], transport });
  const error = await assertRejects(() => losing, TermEndedError);
  assertEquals([error.reason, runs], ["key-gone", 1]);
  assertEquals(await etcd.ctl("lease", "list"), "found 0 leases");
});

Deno.test("a section that blocks the process for longer than the lease has lost its lock, before any timer fires", async () => {
  await using etcd = await LocalEtcd.start();
  const options = { endpoints: [etcd.endpoint], transport, ttlSeconds: 1 };
  const block = () => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1100);
  const error = await assertRejects(() => withLock("lock", block, options), TermEndedError);
  assertEquals(error.reason, "expired");
  let runs = 0;
  const count = () => {
    if (++runs === 1) block();
    return runs;
  };
  assertEquals(await whileLeader({ name: "jobs", ...options }, count), 2);
});

Deno.test("a lock costs etcd two writes of keys: one to take it, one to leave it", async () => {
  await using etcd = await LocalEtcd.start();
  const revision = async () => JSON.parse(await etcd.ctl("get", "lock", "-w", "json")).header.revision;
  const before = await revision();
  await withLock("lock", () => {}, { endpoints: [etcd.endpoint], transport });
  assertEquals(await revision() - before, 2);
});

Deno.test("a lock and an election of the same name exclude each other", async () => {
  await using etcd = await LocalEtcd.start();
  await using connection = new Connection({ endpoints: [etcd.endpoint], transport });
  const election = new Election({ name: "lock", connection });
  const { signal } = await election.ready();
  const locking = withLock("lock", () => assert(signal.aborted), { connection });
  await election.stop();
  await locking;
});

Deno.test("a client finds the leader, or waits for one, without standing in the queue", async () => {
  await using etcd = await LocalEtcd.start();
  const options = { name: "jobs", endpoints: [etcd.endpoint], transport };
  await assertRejects(() => findLeader({ ...options, wait: 1500 }), NotElectedError, "Not elected in time");
  const finding = findLeader(options);
  await using a = new Candidate(etcd, "a");
  const { term } = await leads(a);
  const { id, url, token } = await finding;
  assertEquals({ id, url, token }, { id: "a", url: "http://localhost/a", token: term.token });
  await using connection = new Connection({ endpoints: [etcd.endpoint], transport });
  assertEquals((await findLeader({ name: "jobs", connection })).token, term.token);
  await a.sees(/^a$/);
});

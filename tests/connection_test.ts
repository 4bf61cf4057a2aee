import { assert, assertEquals, assertRejects } from "@std/assert";
import { LocalEtcd } from "../dev/local_etcd.ts";
import { checkEtcdOptions } from "../election/etcd/options.ts";
import { EtcdLink } from "../election/etcd/link.ts";
import { Connection, Election, observe } from "../election/mod.ts";
import { Proxy } from "./support/proxy.ts";
import { isLeader, leads, promptly, until, within } from "./support/until.ts";
import { askForUsers } from "./support/users.ts";
import { transport } from "./support/transport.ts";

/** A number that etcd counts, such as its watchers. */
async function counted(etcd: LocalEtcd, name: string): Promise<number> {
  const text = await (await fetch(`${etcd.endpoint}/metrics`)).text();
  return Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1]);
}

/** Resolves when etcd counts so many: on a busy machine a connection that was slow is replaced, and its end is late. */
async function counts(etcd: LocalEtcd, name: string, wanted: number): Promise<void> {
  const look = async () => {
    while (await counted(etcd, name) !== wanted);
  };
  await within(5000, `${name} to be ${wanted}`, look());
}

const names = (count: number) => Array.from({ length: count }, (_, index) => `many/${index}`);

Deno.test("hundreds of elections share two sockets and one watch stream, and one that stops leaves the rest", async () => {
  await using etcd = await LocalEtcd.start();
  await using proxy = new Proxy(etcd.port);
  const connection = new Connection({ endpoints: [proxy.endpoint], transport: "grpc" });
  const elections = names(200).map((name) => new Election({ name, connection, candidate: { id: "one" } }));
  await Promise.all(elections.map((election) => leads(election, 30_000)));
  await counts(etcd, "etcd_debugging_mvcc_watch_stream_total", 1);
  await counts(etcd, "etcd_debugging_mvcc_watcher_total", 200);
  const two = async () => {
    while (proxy.connections !== 2) await proxy.changes();
  };
  await within(5000, "two sockets", two());

  const [first, ...rest] = elections as [Election, ...Election[]];
  await first.stop();
  assertEquals(first.state.role, "stopped");
  await counts(etcd, "etcd_debugging_mvcc_watcher_total", 199);
  assert(rest.every(({ state }) => state.role === "leader"));
  await using second = observe({ name: "many/1", endpoints: [etcd.endpoint], transport });
  await rest[0]!.resign();
  await until(second, "the second term", ({ leader }) => leader?.id === "one");
  await leads(rest[0]!);

  // Not all at once: on a busy machine etcd would not answer each of them in time.
  while (rest.length > 0) await Promise.all(rest.splice(0, 20).map((election) => election.stop()));
  await connection.close();
  assertEquals(await etcd.ctl("get", "--prefix", "many/", "--keys-only"), "");
  assertEquals(await etcd.ctl("lease", "list"), "found 0 leases");
});

Deno.test("when a shared connection breaks, or its endpoint falls silent, all its elections go on elsewhere", async () => {
  await using etcd = await LocalEtcd.start();
  await using near = new Proxy(etcd.port);
  await using far = new Proxy(etcd.port);
  const connection = new Connection({ endpoints: [near.endpoint, far.endpoint], transport });
  const elections = names(50).map((name) => new Election({ name, connection }));
  const terms = await Promise.all(elections.map(async (election) => (await leads(election)).term));
  near.cut();
  // A handoff needs calls and watches that work.
  await Promise.all(elections.map((election) => election.resign()));
  await Promise.all(elections.map((election) => leads(election)));
  assert(terms.every(({ signal }) => signal.aborted));
  near.stall("to-server", "to-client");
  far.cut();
  await Promise.all(elections.map((election) => election.resign()));
  await Promise.all(elections.map((election) => leads(election, 20_000)));
  near.heal();
  await Promise.all(elections.map((election) => election.stop()));
  await connection.close();
});

Deno.test("a watch that opens while others come and go never goes back", async () => {
  await using etcd = await LocalEtcd.start();
  const access = checkEtcdOptions({ endpoints: [etcd.endpoint], transport });
  const writer = new EtcdLink(access);
  let over = false;
  const comeAndGo = async (key: Uint8Array) => {
    while (!over) {
      const put = { request_put: { key, value: key } };
      const timeouts = { timeoutMs: 10_000, firstTimeoutMs: 10_000 };
      await writer.call((client) => client.txn({ compare: [], success: [put] }, timeouts));
      await writer.call((client) =>
        client.txn({ compare: [], success: [{ request_delete_range: { key } }] }, timeouts)
      );
    }
  };
  const writers = ["jobs/1", "jobs/2", "jobs/3"].map((key) => comeAndGo(new TextEncoder().encode(key)));
  const backwards: string[] = [];
  for (let round = 0; round < 40; round++) {
    const link = new EtcdLink(access);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    let [revision, changes] = [0n, 0];
    const close = link.watch({
      prefix: "jobs/",
      probeEveryMs: 1000,
      patience: { timeoutMs: 1000, firstTimeoutMs: 1000 },
      notify: (notice) => {
        if (notice.type === "lost") reject(notice.error);
        if (notice.type !== "listed" && notice.type !== "changed") return;
        if (notice.revision <= revision) backwards.push(`${notice.revision} after ${revision}`);
        revision = notice.revision;
        if (++changes > 10) resolve();
      },
    });
    await within(5000, "ten changes", promise);
    close();
    await link.close();
  }
  over = true;
  await Promise.all(writers);
  await writer.close();
  assertEquals(backwards, []);
});

Deno.test("one that is closed while it connects gives up at once", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const endpoints = [`http://127.0.0.1:${listener.addr.port}`];
  const link = new EtcdLink(checkEtcdOptions({ endpoints, transport }));
  const call = assertRejects(() =>
    link.call((client) => client.range({ key: new Uint8Array([1]) }, { timeoutMs: 10_000, firstTimeoutMs: 10_000 }))
  );
  const unanswered = await listener.accept();
  await link.close();
  // Less than the second that etcd3 by itself would go on for.
  await promptly(700, "its call to fail", call);
  unanswered.close();
  // grpc-js sees it a moment later; nothing tells when it is done.
  await new Promise((resolve) => setTimeout(resolve, 300));
});

Deno.test("candidates of one process stand in one election over one connection", async () => {
  await using etcd = await LocalEtcd.start();
  const connection = new Connection({ endpoints: [etcd.endpoint], transport });
  const join = (id: string) => new Election({ name: "jobs", connection, candidate: { id } });
  const elections = ["a", "b", "c"].map(join);
  for (let left = elections; left.length > 0;) {
    const leader = await Promise.race(left.map(async (election) => {
      await until(election, "to lead", isLeader);
      return election;
    }));
    assertEquals(left.filter(({ state }) => state.role === "leader"), [leader]);
    await leader.stop();
    left = left.filter((election) => election !== leader);
  }
  await connection.close();
});

Deno.test("who watches the same election over one connection shares a watch, but for one who doubts it", async () => {
  await using etcd = await LocalEtcd.start();
  await etcd.ctl("put", "jobs/1", "one");
  const link = new EtcdLink(checkEtcdOptions({ endpoints: [etcd.endpoint], transport: "grpc" }));
  const watchers = () => counted(etcd, "etcd_debugging_mvcc_watcher_total");
  /** Watches, and tells what it sees: the ids in the queue, with commas between. */
  const watch = () => {
    const seen = new EventTarget();
    let queue: string | undefined;
    const close = link.watch({
      prefix: "jobs/",
      probeEveryMs: 1000,
      patience: { timeoutMs: 1000, firstTimeoutMs: 1000 },
      notify: (notice) => {
        if (!("queue" in notice)) return;
        queue = notice.queue.map(({ id }) => id).join();
        seen.dispatchEvent(new Event("queue"));
      },
    });
    const sees = async (wanted: string) => {
      while (queue !== wanted) await new Promise((resolve) => seen.addEventListener("queue", resolve, { once: true }));
    };
    return { close, sees: (wanted: string) => within(5000, `the queue ${wanted}`, sees(wanted)) };
  };
  const first = watch();
  await first.sees("one");
  const second = watch();
  await second.sees("one");
  await etcd.ctl("put", "jobs/2", "two");
  await Promise.all([first.sees("one,two"), second.sees("one,two")]);
  assertEquals(await watchers(), 1);

  second.close("doubted");
  const third = watch();
  await third.sees("one,two");
  assertEquals(await watchers(), 2);
  const fourth = watch();
  await fourth.sees("one,two");
  assertEquals(await watchers(), 2);
  await etcd.ctl("del", "jobs/1");
  await Promise.all([first.sees("two"), third.sees("two"), fourth.sees("two")]);
  for (const { close } of [first, third, fourth]) close();
  while (await watchers() !== 0);
  await link.close();
});

Deno.test("one prefix that is not permitted is no trouble for the others", async () => {
  await using etcd = await LocalEtcd.start();
  await askForUsers(etcd, { user: "worker", kind: "readwrite", prefix: "jobs/" });
  const connection = new Connection({
    endpoints: [etcd.endpoint],
    transport,
    user: { name: "worker", password: "secret" },
  });
  const allowed = new Election({ name: "jobs", connection });
  const { term } = await leads(allowed);
  const told = Promise.withResolvers<string>();
  const denied = new Election({
    name: "other",
    connection,
    onEvent: (event) => event.type === "etcd-failing" && told.resolve(event.message),
  });
  assert((await told.promise).endsWith("permission denied"), await told.promise);
  // A renewal later.
  const { promise: renewed, resolve } = Promise.withResolvers<void>();
  const before = term.validFor();
  const timer = setInterval(() => term.validFor() > before && resolve(), 50);
  await renewed;
  clearInterval(timer);
  assert(!term.signal.aborted);
  await denied.stop();
  await allowed.stop();
  await connection.close();
});

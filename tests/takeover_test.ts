/** One round trip: the next in line leads on the handoff itself, and in no other case. */
import { assert, assertEquals } from "@std/assert";
import { LocalEtcd } from "../dev/local_etcd.ts";
import type { OpenLog } from "../supervise/log.ts";
import { WatchdogAgent } from "../supervise/watchdog_agent.ts";
import type { WatchdogMessage } from "../supervise/watchdog_messages.ts";
import { Candidate } from "./support/candidate.ts";
import { TestNode } from "./support/node.ts";
import { Proxy } from "./support/proxy.ts";
import { follows, isLeader, leads, until, within } from "./support/until.ts";
import { askForUsers } from "./support/users.ts";

/** A leader, and the next in line behind a proxy, with a guard that was answered. */
async function pair(etcd: LocalEtcd, proxy: Proxy) {
  const options = { ttlSeconds: 6 };
  const a = new Candidate(etcd, "a", options);
  await leads(a);
  const guarded = Promise.withResolvers<void>();
  const onEvent = ({ type }: { type: string }) => type === "lease-renewed" && guarded.resolve();
  const b = new Candidate(etcd, "b", { ...options, endpoints: [proxy.endpoint], onEvent });
  await follows(b, "a");
  await a.sees(/^a,b$/);
  await guarded.promise;
  return { a, b };
}

Deno.test("the next in line leads at a handoff though etcd answers nothing it asks at that moment", async () => {
  await using etcd = await LocalEtcd.start();
  await using proxy = new Proxy(etcd.port);
  const { a, b } = await pair(etcd, proxy);
  proxy.stall("to-server");
  a.resign();
  await leads(b);
  proxy.heal();
  await follows(a, "b");
  await Promise.all([a.stop(), b.stop()]);
});

Deno.test("the next in line does not lead when the leader's key is deleted, before etcd has answered it", async () => {
  await using etcd = await LocalEtcd.start();
  await using proxy = new Proxy(etcd.port);
  const { a, b } = await pair(etcd, proxy);
  proxy.stall("to-server");
  await etcd.ctl("del", a.status.queue[0]!.key);
  await b.sees(/^b(,a)?$/);
  assertEquals(isLeader(b.state), false);
  proxy.heal();
  await leads(b);
  await until(a, "not to lead", (state) => !isLeader(state));
  await Promise.all([a.stop(), b.stop()]);
});

Deno.test("the next in line leads as soon as the watchdog of a killed leader has handed over, and asks nothing", async () => {
  await using etcd = await LocalEtcd.start();
  await using proxy = new Proxy(etcd.port);
  await using a = await TestNode.start(etcd, ["--id", "a", "--ttl", "6", "--election", "jobs", "--watchdog"]);
  await a.logs("leading");
  const guarded = Promise.withResolvers<void>();
  const onEvent = ({ type }: { type: string }) => type === "lease-renewed" && guarded.resolve();
  const b = new Candidate(etcd, "b", { ttlSeconds: 6, endpoints: [proxy.endpoint], onEvent });
  await follows(b, "a");
  await guarded.promise;
  while (JSON.parse((await a.get("/status")).body).watchdog.pid === null);
  proxy.stall("to-server");
  a.kill("SIGKILL");
  await leads(b);
  assertEquals(b.status.queue[0]?.after?.left, "crashed");
  proxy.heal();
  await b.stop();
});

Deno.test("a watchdog has a connection to etcd that is ready, however long nothing happens and little its user may read", async () => {
  await using etcd = await LocalEtcd.start();
  await askForUsers(etcd, { user: "app", kind: "readwrite", prefix: "jobs/" });
  const ports = new Set<number>();
  const questions: string[] = [];
  const asked = Promise.withResolvers<void>();
  const between = Deno.serve({ port: 0, onListen() {} }, async (request, { remoteAddr }) => {
    ports.add(remoteAddr.port);
    const { pathname } = new URL(request.url);
    const body = await request.text();
    if (pathname === "/v3/kv/txn" && questions.push(body) === 4) asked.resolve();
    const authorization = request.headers.get("authorization");
    const headers = authorization ? { authorization } : undefined;
    return await fetch(`${etcd.endpoint}${pathname}`, { method: "POST", body, headers });
  });
  const { port } = between.addr;
  const endpoints = [`http://127.0.0.1:${port}`, `http://localhost:${port}`];
  const user = { name: "app", password: "secret" };
  const watchdog = new WatchdogAgent({
    openLog: () => ({ log() {}, end: () => Promise.resolve() }) as unknown as OpenLog,
    etcdOptions: () => ({ endpoints, user, transport: "gateway" }),
    answer() {},
  });
  watchdog.receive({ type: "node", ttlMs: 5000, self: { id: "a" } } as WatchdogMessage);
  watchdog.receive({ type: "place", key: "jobs/1f", token: "7" });
  await within(20_000, "questions", asked.promise);
  // An endpoint that refuses is left for another one; keys that are read cost etcd time, the more the more there are.
  assertEquals(ports.size, 1);
  assert(!questions.join().includes("range"), questions[0]);
  await watchdog.nodeDied();
  await watchdog.end();
  await between.shutdown();
});

Deno.test("a first candidate leads with the transaction that queues it, and its list of the queue comes later", async () => {
  await using etcd = await LocalEtcd.start();
  const a = new Candidate(etcd, "a", {});
  const { term } = await leads(a);
  assertEquals(a.status.inQueue, true);
  // A handoff needs the queue all the same.
  const b = new Candidate(etcd, "b", {});
  await a.sees(/^a,b$/);
  a.resign();
  await leads(b);
  assertEquals(term.signal.aborted, true);
  await Promise.all([a.stop(), b.stop()]);
});

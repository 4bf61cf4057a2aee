/** The faces that machines see: the queue, the history, events, metrics, redirects; on real nodes. */
import { assert, assertEquals, assertGreater, assertMatch, assertStringIncludes } from "@std/assert";
import { TextLineStream } from "@std/streams/text-line-stream";
import { LocalEtcd } from "../dev/local_etcd.ts";
import { MAX_STREAMS } from "../http/event_streams.ts";
import { Certificates } from "./support/certificates.ts";
import { TestNode, threeNodes } from "./support/node.ts";
import { fillQueue } from "./support/foreign_keys.ts";
import { within } from "./support/until.ts";
import { linuxTest as test, unixTest } from "./support/systems.ts";

/** Nodes a, b, c in the order of the queue. */
async function json(node: TestNode, path: string) {
  return JSON.parse((await node.get(path)).body);
}

Deno.test("members are shown in the order of the queue", async () => {
  await using etcd = await LocalEtcd.start();
  const [a, b, c] = await threeNodes(etcd, ["--priority", "7"]);
  await using _a = a;
  await using _b = b;
  await using _c = c;
  const { members } = await json(c, "/members");
  assertEquals(
    members.map(({ id, url, role, priority }: Record<string, unknown>) => [id, url, role, priority]),
    [a, b, c].map(({ port }, index) => {
      return ["abc"[index], `http://127.0.0.1:${port}`, index === 0 ? "leader" : "candidate", 7];
    }),
  );
  assertEquals(await json(c, "/cluster").then(({ members }) => members.length), 3);
});

unixTest("the history tells why a term ended: handed on, or crashed with a watchdog", async () => {
  await using etcd = await LocalEtcd.start();
  const [a, b, c] = await threeNodes(etcd, ["--ttl", "2"]);
  await using _b = b;
  await using _c = c;
  await a.stop();
  await b.logs("leading");
  b.kill("SIGKILL");
  await c.logs("leading");
  await using d = await TestNode.start(etcd, ["--id", "d", "--ttl", "60", "--watchdog"]);
  await d.logs("following");
  await using observer = await TestNode.start(etcd, ["--observe"]);
  await observer.logs("following");
  await c.stop();
  await d.logs("leading");
  await observer.logs("following", { fields: { leader: "d" } });
  d.kill("SIGKILL");
  await observer.logs("no-leader", { from: observer.log.length });
  await using e = await TestNode.start(etcd, ["--id", "e"]);
  await e.logs("leading");
  await observer.logs("following", { fields: { leader: "e" } });
  const from = observer.log.length;
  await e.stop();
  await observer.logs("no-leader", { from });
  const brief = (terms: Record<string, unknown>[]) => terms.map(({ id, ended, to }) => [id, ended, to !== null]);
  const ended = [["e", "resigned", true], ["d", "crashed", true], ["c", "resigned", true]];
  assertEquals(brief((await json(observer, "/history")).terms), ended);
});

Deno.test("a leader knows that somebody deleted its key, others that its lease ran out or that", async () => {
  await using etcd = await LocalEtcd.start();
  const [a, b, c] = await threeNodes(etcd);
  await using _a = a;
  await using _b = b;
  await using _c = c;
  const { lease } = await json(a, "/status");
  await etcd.ctl("del", `leader-node/${lease.id}`);
  await b.logs("leading");
  await a.logs("following", { fields: { leader: "b" } });
  await c.logs("following", { fields: { leader: "b" } });
  const ended = async (node: TestNode) => (await json(node, "/history")).terms.at(-1).ended;
  assertEquals([await ended(a), await ended(c)], ["key-gone", "unknown"]);
});

/** Reads the events of a stream. */
async function* eventsOf(node: TestNode, signal: AbortSignal): AsyncGenerator<Record<string, unknown>> {
  const response = await fetch(`http://127.0.0.1:${node.port}/events`, { signal });
  assertEquals(response.headers.get("content-type"), "text/event-stream");
  const lines = response.body!.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream());
  for await (const line of lines) if (line.startsWith("data: ")) yield JSON.parse(line.slice(6));
}

unixTest("events: the state first, then each change, and a clean end when the node stops", async () => {
  await using etcd = await LocalEtcd.start();
  const [a, b, c] = await threeNodes(etcd);
  await using _c = c;
  const gone = new AbortController();
  const events = eventsOf(b, gone.signal);
  const first = (await within(5000, "the first event", events.next())).value!;
  assertEquals([first.role, first.leader, (first.members as unknown[]).length], ["follower", "a", 3]);
  await a.stop();
  const leads = async () => {
    for await (const { is_leader, leader } of events) if (is_leader) return leader;
  };
  const search = leads();
  assertEquals(await within(5000, "to lead", search), "b");
  const rest = eventsOf(b, gone.signal);
  await rest.next();
  const ended = (async () => {
    while (!(await rest.next()).done);
  })();
  assertEquals(await b.stop(), 0);
  await within(5000, "the stream to end", ended);
});

test("streams that nobody reads, and that are left, leave nothing behind", async () => {
  await using etcd = await LocalEtcd.start();
  await using a = await TestNode.start(etcd);
  await a.logs("leading");
  const files = () => [...Deno.readDirSync(`/proc/${a.pid}/fd`)].length;
  const before = files();
  using client = Deno.createHttpClient({ poolMaxIdlePerHost: 0 });
  const open: Response[] = [];
  for (;;) {
    const response = await fetch(`http://127.0.0.1:${a.port}/events`, { client });
    if (response.status === 200) open.push(response);
    // On a busy machine, the node may turn away a request for another reason.
    else if ((await response.text()).startsWith("too many event streams")) break;
  }
  assertEquals(open.length, MAX_STREAMS);
  assertGreater(files(), before + 0.9 * MAX_STREAMS);
  assertEquals(await a.curl(), "I am the leader\n");
  await Promise.all(open.map(({ body }) => body!.cancel()));
  while (files() > before + 5) await a.get("/livez");
  assertEquals((await a.get("/events", { method: "HEAD" })).status, 200);
  await (await fetch(`http://127.0.0.1:${a.port}/events`, { client })).body!.cancel();
});

Deno.test("of thousands of foreign keys the first hundred are shown, and this node itself, to all that ask", async () => {
  await using etcd = await LocalEtcd.start();
  await fillQueue(etcd, 5000);
  await using a = await TestNode.start(etcd, ["--id", "a", "--log-level", "info"]);
  await a.logs("following", { fields: { leader: "foreign 0" } });
  while (!JSON.parse((await a.get("/members")).body).members.some(({ id }: { id: string }) => id === "a")) {
    await etcd.ctl("version");
  }
  const gone = new AbortController();
  const events = eventsOf(a, gone.signal);
  const first = (await within(5000, "the first event", events.next())).value!;
  for (const { members, total, omitted } of [await json(a, "/members"), first]) {
    const shown = members as { id: string; place: number; role: string }[];
    assertEquals([shown.length, total, omitted], [101, 5001, 4900]);
    assertEquals([shown[0]!.role, shown[99]!.place, shown[100]!.id, shown[100]!.place], ["leader", 100, "a", 5001]);
  }
  gone.abort();
  await within(5000, "the stream to end", events.next().catch(() => {}));
});

test("connections are kept open for many requests, and answer under load", async () => {
  await using etcd = await LocalEtcd.start();
  await using a = await TestNode.start(etcd);
  await a.logs("leading");
  const files = () => [...Deno.readDirSync(`/proc/${a.pid}/fd`)].length;
  const before = files();
  using client = Deno.createHttpClient({ poolMaxIdlePerHost: 20 });
  const ask = async () => {
    for (let count = 0; count < 200; count++) {
      const response = await fetch(`http://127.0.0.1:${a.port}/leader`, { client });
      assertEquals([response.status, (await response.json()).is_leader], [200, true]);
    }
  };
  await Promise.all(Array.from({ length: 20 }, ask));
  assert(files() <= before + 25, `${files() - before} connections for 20 that ask one thing after another`);
});

Deno.test("redirect sends whoever asks to the leader, with path and query", async () => {
  await using etcd = await LocalEtcd.start();
  await using observer = await TestNode.start(etcd, ["--observe"]);
  await observer.logs("no-leader");
  assertEquals((await observer.get("/redirect/status")).status, 503);
  await using a = await TestNode.start(etcd);
  await observer.logs("following");
  for (const method of ["GET", "POST"]) {
    const { status, headers } = await observer.get("/redirect/a/b?c=d", { method });
    assertEquals([status, headers.get("location")], [307, `http://127.0.0.1:${a.port}/a/b?c=d`]);
  }
});

Deno.test("metrics: exactly one of three nodes is the master", async () => {
  await using etcd = await LocalEtcd.start();
  const [a, b, c] = await threeNodes(etcd);
  await using _a = a;
  await using _b = b;
  await using _c = c;
  const values = await Promise.all([a, b, c].map(async (node) => {
    const { status, headers, body } = await node.get("/metrics");
    assertEquals(status, 200);
    assertMatch(headers.get("content-type")!, /^text\/plain; version=0\.0\.4/);
    assert(!/ (NaN|undefined)$/m.test(body), body);
    for (const name of ["slowpath_total", "master_status"]) {
      assertMatch(body, new RegExp(`^leader_election_${name}\\{name="leader-node"\\} \\d$`, "m"));
    }
    assertMatch(body, /^leader_node_candidates\{name="leader-node"\} 3$/m);
    return Number(/^leader_election_master_status\{.*\} (\d)$/m.exec(body)![1]);
  }));
  assertEquals(values, [1, 0, 0]);
  await a.stop();
  await b.logs("leading");
  const { body } = await b.get("/metrics");
  assertMatch(body, /^leader_election_master_status\{name="leader-node"\} 1$/m);
  assertMatch(body, /^leader_node_leader_changes_total\{name="leader-node"\} 1$/m);
  assertMatch(body, /^leader_node_http_requests_total\{path="\/metrics",code="200",name="leader-node"\} 1$/m);
});

Deno.test("HTTPS is served with the certificate that is given", async () => {
  await using files = await Certificates.make();
  await files.sign("server", "localhost");
  await using etcd = await LocalEtcd.start();
  const flags = [
    "--hostname",
    "localhost",
    "--http-cert",
    files.path("server.pem"),
    "--http-key",
    files.path("server.key"),
  ];
  await using a = await TestNode.start(etcd, flags);
  const { url } = await a.logs("listening");
  assertEquals(url, `https://localhost:${a.port}`);
  await a.logs("leading");
  using client = Deno.createHttpClient({ caCerts: [files.read("ca.pem")], poolMaxIdlePerHost: 0 });
  assertEquals(await (await fetch(`${url}/`, { client })).text(), "I am the leader\n");
});

Deno.test("huge request lines and headers are refused, and the node goes on", async () => {
  await using etcd = await LocalEtcd.start();
  await using a = await TestNode.start(etcd);
  const raw = async (request: string) => {
    const connection = await Deno.connect({ hostname: "127.0.0.1", port: a.port });
    await connection.write(new TextEncoder().encode(request)).catch(() => {});
    return await new Response(connection.readable).text().catch(() => "cut");
  };
  for (
    const request of [`GET /${"x".repeat(1_000_000)} HTTP/1.1\r\n`, `GET / HTTP/1.1\r\nX: ${"x".repeat(1_000_000)}`]
  ) {
    assertMatch(
      await within(5000, "an answer", raw(`${request}\r\nHost: a\r\nConnection: close\r\n\r\n`)),
      /^(HTTP\/1.1 4|cut|$)/,
    );
  }
  assertStringIncludes(await raw("GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"), "200 OK");
});

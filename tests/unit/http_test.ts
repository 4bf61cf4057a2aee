import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { logStates } from "../../cli/node_log.ts";
import type { ElectionStatus, ElectionView, RoleState } from "../../election/mod.ts";
import { UNPRINTABLE } from "../../election/internal.ts";
import { type NodeSnapshot, roleText } from "../../http/answers.ts";
import { EventStreams } from "../../http/event_streams.ts";
import { ChangeNotifier } from "../../http/change_notifier.ts";
import { END_REASON_TEXTS, History } from "../../http/history.ts";
import { Metrics } from "../../http/metrics.ts";
import { answer, type RouteContext } from "../../http/routes.ts";
import { NodeHandler } from "../../http/mod.ts";
import { ListenError } from "../../http/listen_error.ts";
import { serve } from "../../http/server.ts";

const SELF = { id: "a", url: "http://localhost:8080" };

const term = {
  token: 7n,
  signal: new AbortController().signal,
  guard: ["jobs/1f", "Create", "==", "7"],
  stopWithin: () => 0,
  validFor: () => 4000,
  assert: () => {},
} as const;

const LEADER: RoleState = { role: "leader", leader: { ...SELF, token: 7n, since: new Date(0) }, term };
const FOLLOWER: RoleState = { role: "follower", leader: { id: "b", url: "http://localhost:8081", token: 7n } };
const NOBODY: RoleState = { role: "follower" };
const CONNECTING: RoleState = { role: "connecting" };
const STOPPED: RoleState = { role: "stopped" };

function node(state: RoleState, status: Partial<ElectionStatus> = {}): NodeSnapshot {
  return {
    ...SELF,
    version: "1.2.3",
    history: new History(),
    status: { state, queue: [], inQueue: true, queueAgeMs: 12, ...status },
  };
}

/** The context of this node. */
function groundOf(snapshot: () => NodeSnapshot): RouteContext {
  const roleLine = () => roleText(snapshot().status.state, snapshot().url);
  const events = new EventStreams("jobs", snapshot, new ChangeNotifier());
  return { snapshot, roleLine, verdict: () => "answer", events, metrics: new Metrics("jobs") };
}

/** What makes a server answer for this node. */
function answering(snapshot: () => NodeSnapshot) {
  const handler = (request: Request) => answer(groundOf(snapshot), request);
  return { handler, onClose: () => {}, onInterrupted: () => {} };
}

async function get(snapshot: NodeSnapshot, path: string, init: RequestInit = {}): Promise<Response> {
  return await answer(groundOf(() => snapshot), new Request(`http://localhost:8080${path}`, init));
}

Deno.test("an election of somebody else's may go on to its next state before it aborts the signal of the last", async () => {
  async function* states() {
    yield* [LEADER, FOLLOWER];
  }
  const status: ElectionStatus = { state: FOLLOWER, queue: [], inQueue: true };
  const election = { state: FOLLOWER, status, [Symbol.asyncIterator]: states } as unknown as ElectionView;
  const handler = new NodeHandler({ name: "jobs", ...SELF });
  handler.onEvent({ type: "queue-changed", queue: [{ key: "jobs/1f", token: 7n, id: "a" }] });
  await handler.show(election);
  const { terms } = await (await handler.handle(new Request("http://localhost:8080/history"))).json();
  assertEquals(terms[0].ended, "expired");
  const lines: unknown[][] = [];
  await logStates(election, (...line) => lines.push(line));
  assertEquals(lines[1], ["info", "term-ended", { token: 7n, reason: "expired" }]);
});

Deno.test("GET / says in one line who leads", async () => {
  const at = (url: string): RoleState => ({ role: "follower", leader: { id: "b", url, token: 7n } });
  const cases: [state: RoleState, text: string][] = [
    [LEADER, "I am the leader"],
    [FOLLOWER, "I am a follower and the leader is on port 8081"],
    [at("http://localhost"), "I am a follower and the leader is on port 80"],
    [at("http://localhost/jobs"), "I am a follower and the leader is at http://localhost/jobs"],
    [at("https://localhost"), "I am a follower and the leader is on port 443"],
    [at("http://host-b:8080"), "I am a follower and the leader is at http://host-b:8080"],
    [{ role: "follower", leader: { id: "etcdctl", token: 7n } }, "I am a follower and the leader is etcdctl"],
    [NOBODY, "I am a follower and there is no leader"],
    [CONNECTING, "I am a follower and there is no leader"],
    [STOPPED, "I am a follower and there is no leader"],
  ];
  for (const [state, text] of cases) {
    const response = await get(node(state), "/");
    assertEquals([response.status, await response.text()], [200, text + "\n"]);
  }
});

Deno.test("probes answer by role and health", async () => {
  const waiting = node(FOLLOWER, { inQueue: false });
  const cases: [snapshot: NodeSnapshot, codes: Record<string, number>][] = [
    [node(LEADER), { "/leader": 200, "/follower": 503, "/livez": 200, "/readyz": 200, "/status": 200 }],
    [node(FOLLOWER), { "/leader": 503, "/follower": 200, "/livez": 200, "/readyz": 200, "/status": 200 }],
    [waiting, { "/leader": 503, "/follower": 503, "/livez": 200, "/readyz": 503, "/status": 200 }],
    [node(NOBODY), { "/leader": 503, "/follower": 200, "/livez": 200, "/readyz": 503, "/status": 200 }],
    [node(CONNECTING), { "/leader": 503, "/follower": 503, "/livez": 200, "/readyz": 503, "/status": 200 }],
    [node(STOPPED), { "/leader": 503, "/follower": 503, "/livez": 200, "/readyz": 503, "/status": 200 }],
  ];
  for (const [snapshot, codes] of cases) {
    for (const [path, code] of Object.entries(codes)) {
      assertEquals((await get(snapshot, path)).status, code, `${snapshot.status.state.role} ${path}`);
    }
  }
});

Deno.test("the other names that load balancers and probes know answer the same", async () => {
  const aliases = {
    "/leader": ["/primary"],
    "/follower": ["/replica"],
    "/livez": ["/health", "/healthz", "/liveness"],
    "/readyz": ["/readiness"],
  };
  for (const state of [LEADER, FOLLOWER, CONNECTING]) {
    for (const [path, names] of Object.entries(aliases)) {
      for (const name of names) {
        assertEquals((await get(node(state), name)).status, (await get(node(state), path)).status, name);
      }
    }
  }
});

Deno.test("readyz says on request what is missing", async () => {
  const verbose = await (await get(node(CONNECTING, { inQueue: false, queueAgeMs: undefined }), "/readyz?verbose"))
    .text();
  assertEquals(
    verbose,
    "[-] etcd has not answered yet\n[-] this node does not take part in the election\n[-] there is no leader\nnot ready\n",
  );
  assertStringIncludes(await (await get(node(FOLLOWER), "/readyz?verbose")).text(), "[+] the leader is b\nok\n");
  assertEquals(await (await get(node(FOLLOWER), "/readyz")).text(), "ok\n");
});

Deno.test("JSON comes to those who ask for it, text to curl and to */*, the page to browsers", async () => {
  const type = async (accept?: string) =>
    (await get(node(LEADER), "/", accept === undefined ? {} : { headers: { accept } })).headers.get("content-type");
  for (const accept of [undefined, "*/*", "text/plain", "text/plain, text/html;q=0.5", "image/png"]) {
    assertEquals(await type(accept), "text/plain; charset=utf-8", accept);
  }
  for (const accept of ["application/json", "application/json, */*;q=0.5", "text/plain;q=0.5, application/json"]) {
    assertEquals(await type(accept), "application/json", accept);
  }
  assertEquals(await type("application/json;q=0.5, text/plain"), "text/plain; charset=utf-8");
  const body = await (await get(node(FOLLOWER), "/", { headers: { accept: "application/json" } })).json();
  assertEquals([body.role, body.leader, body.node, body.is_leader], ["follower", "b", "a", false]);
});

Deno.test("a status without a leader is complete all the same", async () => {
  const { timestamp, ...body } = await (await get(node(CONNECTING, { queueAgeMs: undefined }), "/status")).json();
  assert(Date.parse(timestamp) > 0);
  assertEquals(body, {
    name: "",
    is_leader: false,
    leader: null,
    node: "a",
    role: "connecting",
    url: "http://localhost:8080",
    leader_url: null,
    leader_meta: null,
    token: null,
    since: null,
    lease: null,
    queue_age_ms: null,
    command: null,
    watchdog: null,
    version: "1.2.3",
  });
});

Deno.test("nothing is to be stored by caches", async () => {
  for (const path of ["/", "/status", "/leader", "/livez", "/readyz", "/members", "/history", "/metrics", "/nowhere"]) {
    assertEquals((await get(node(LEADER), path)).headers.get("cache-control"), "no-store", path);
  }
});

Deno.test("HEAD and OPTIONS answer like GET, without a body", async () => {
  for (const [state, code] of [[LEADER, 200], [FOLLOWER, 503]] as const) {
    const errors: unknown[] = [];
    const snapshot = () => node(state);
    const server = serve({
      hostname: "127.0.0.1",
      port: 0,
      ...answering(snapshot),
      onError: (error) => errors.push(error),
    });
    const ask = async (method: string) => {
      const response = await fetch(`http://127.0.0.1:${server.port}/livez`, { method });
      return { length: response.headers.get("content-length"), body: await response.text() };
    };
    assertEquals(await ask("GET"), { length: "3", body: "ok\n" });
    assertEquals(await ask("HEAD"), { length: "3", body: "" });
    for (const method of ["HEAD", "OPTIONS"]) {
      const response = await fetch(`http://127.0.0.1:${server.port}/leader`, { method });
      assertEquals([response.status, await response.text()], [code, ""]);
    }
    assertEquals(errors, []);
    await server.close(200);
  }
  assertEquals((await get(node(LEADER), "/leader", { method: "OPTIONS" })).headers.get("allow"), "GET, HEAD, OPTIONS");
});

/** What a server for this node sends back for these bytes, and the errors that it told. */
async function send(snapshot: NodeSnapshot, request: string): Promise<string> {
  const errors: unknown[] = [];
  const onError = (error: unknown) => errors.push(error);
  const server = serve({ hostname: "127.0.0.1", port: 0, ...answering(() => snapshot), onError });
  const connection = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
  await connection.write(new TextEncoder().encode(`${request}\r\nConnection: close\r\n\r\n`));
  const text = await new Response(connection.readable).text();
  assertEquals(errors, []);
  await server.close(200);
  return text;
}

Deno.test("a Host that is none is answered with 400, and is no error of ours", async () => {
  for (const host of ["a b", "a\tb/leader"]) {
    assertStringIncludes(await send(node(LEADER), `GET /status HTTP/1.1\r\nHost: ${host}`), "HTTP/1.1 400 Bad Request");
  }
});

Deno.test("each answer is counted, redirects to the leader too", async () => {
  const context = groundOf(() => node(FOLLOWER));
  for (const path of ["/", "/redirect/a", "/redirect/b?c", "/no"]) {
    await answer(context, new Request(`http://localhost:8080${path}`));
  }
  await answer(context, new Request("http://localhost:8080/redirect/a", { headers: { host: "a b" } }));
  const counted = context.metrics.text(node(FOLLOWER)).match(/(?<=http_requests_total\{path=")[^}]*(?=,name).* \d+/g);
  assertEquals(counted?.map((line) => line.replace(/,name.*\}/, "")), [
    '/",code="200" 1',
    '/redirect/",code="307" 2',
    'other",code="404" 1',
    'other",code="400" 1',
  ]);
});

Deno.test("the path is the request's, never the Host's", async () => {
  const isLine = (answer: string) => answer.endsWith("\r\n\r\nI am the leader\n");
  const isStatus = (answer: string) => answer.includes('"is_leader":true');
  for (
    const host of ["x", "x:80", "[::1]:80", "X_y", "", "x/leader?", "x/leader#", "x?", "x#", "x\\leader?", "u@x/leader"]
  ) {
    assert(isLine(await send(node(LEADER), `GET / HTTP/1.1\r\nHost: ${host}`)), host);
    assert(isStatus(await send(node(LEADER), `GET /leader HTTP/1.1\r\nHost: ${host}`)), host);
    const { pathname } = new URL(
      /^location: (.*)$/m.exec(
        await send(node(FOLLOWER), `GET /redirect/a HTTP/1.1\r\nHost: ${host}`),
      )![1]!,
    );
    assertEquals(pathname, "/a", host);
  }
  // A whole URL in the request line goes before the Host; a query may hold anything.
  assert(isStatus(await send(node(LEADER), "GET http://y/leader HTTP/1.1\r\nHost: x/?")));
  assert(isStatus(await send(node(LEADER), "GET /leader?a=/#/ HTTP/1.1\r\nHost: x")));
  assert(isStatus(await send(node(LEADER), "GET /leader HTTP/1.0\r\nX: y")));
});

Deno.test("unknown paths are 404, other methods 405 with what is allowed, as text or JSON", async () => {
  const missing = await get(node(LEADER), "/nowhere");
  assertEquals([missing.status, await missing.text()], [404, "not found; try / or /status\n"]);
  for (const path of ["/__proto__", "/constructor", "/toString", "//", "/leader/"]) {
    assertEquals((await get(node(LEADER), path)).status, 404, path);
  }
  for (const method of ["POST", "PUT", "DELETE", "PATCH"]) {
    const wrong = await get(node(LEADER), "/", { method, headers: { accept: "application/json" } });
    assertEquals([wrong.status, wrong.headers.get("allow")], [405, "GET, HEAD, OPTIONS"]);
    assertEquals(await wrong.json(), { error: "method not allowed; allowed: GET, HEAD, OPTIONS" });
  }
});

Deno.test("pages at the URLs in the queue, and no others, may read answers; none may transfer leadership", async () => {
  const at = (token: bigint, url?: string) => ({ key: `jobs/${token}`, token, id: "x", url });
  const queue = [at(1n, "https://b.example/prefix"), at(2n, "http://c:8080"), at(3n), at(4n, "data:,")];
  const snapshot = node(FOLLOWER, { queue });
  const allowed = async (origin: string, path = "/status", method = "GET") => {
    const { headers } = await get(snapshot, path, { method, headers: { origin } });
    return [headers.get("access-control-allow-origin"), headers.get("vary")];
  };
  for (const origin of ["https://b.example", "http://c:8080", "http://localhost:8080"]) {
    assertEquals(await allowed(origin), [origin, "origin"]);
    assertEquals(await allowed(origin, "/leader", "HEAD"), [origin, "origin"]);
    assertEquals(await allowed(origin, "/"), [origin, "accept, origin"]);
    assertEquals(await allowed(origin, "/resign", "POST"), [null, null]);
    assertEquals(await allowed(origin, "/resign", "OPTIONS"), [null, null]);
    assertEquals(await allowed(origin, "/redirect/x"), [null, null]);
  }
  for (const origin of ["http://b.example", "http://c", "null", "*", "http://evil:8080", ""]) {
    assertEquals(await allowed(origin), [null, null], origin);
  }
});

Deno.test("a server answers on the port that it names, closes at once when idle, and within its grace when not", async () => {
  const errors: unknown[] = [];
  const options = {
    hostname: "127.0.0.1",
    ...answering(() => node(LEADER)),
    onError: (error: unknown) => errors.push(error),
  };
  const server = serve({ ...options, port: 0 });
  const response = await fetch(`http://127.0.0.1:${server.port}/`);
  assertEquals(await response.text(), "I am the leader\n");
  try {
    serve({ ...options, port: server.port });
  } catch (error) {
    assert(error instanceof ListenError && error.message.includes("the port is in use"));
  }
  // A request that never ends.
  const connection = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
  await connection.write(new TextEncoder().encode("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n"));
  await connection.read(new Uint8Array(1024));
  await server.close(200);
  connection.close();
  assertEquals(errors, []);
});

Deno.test("an error in an answer is a 500 without details, and is told", async () => {
  const errors: unknown[] = [];
  const snapshot = () => {
    throw new Error("secret");
  };
  const server = serve({
    hostname: "127.0.0.1",
    port: 0,
    ...answering(snapshot),
    onError: (error) => errors.push(error),
  });
  const response = await fetch(`http://127.0.0.1:${server.port}/`);
  assertEquals([response.status, await response.text()], [500, "internal error\n"]);
  assertEquals(errors.length, 1);
  await server.close(200);
});

Deno.test("the page replaces in names what the tools replace", async () => {
  const html = await Deno.readTextFile(new URL("../../http/page.html", import.meta.url));
  assertStringIncludes(html, `/${UNPRINTABLE.source}/gu`);
});

Deno.test("the page words the reasons for which terms end as the tools do", async () => {
  const html = await Deno.readTextFile(new URL("../../http/page.html", import.meta.url));
  const [, table] = /const WHY = \{(.*?)\};/s.exec(html)!;
  const words = [...table!.matchAll(/"?([a-z-]+)"?: "(.*)",/g)].map(([, reason, text]) => [reason, text]);
  assertEquals(Object.fromEntries(words), END_REASON_TEXTS);
});

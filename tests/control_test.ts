import { assert, assertEquals, assertMatch } from "@std/assert";
import { fileURLToPath } from "node:url";
import { LocalEtcd } from "../dev/local_etcd.ts";
import { Beats } from "./support/beats.ts";
import { TestNode } from "./support/node.ts";
import { unixTest } from "./support/systems.ts";
import { within } from "./support/until.ts";

const TOKEN = "a-long-enough-token";
const CONTROLLED = { env: { LEADER_NODE_CONTROL_TOKEN: TOKEN } };

/** Nodes named a, b, c ... in the order of the queue; the first one leads. */
async function nodes(etcd: LocalEtcd, count: number, flags: string[] = []): Promise<TestNode[] & AsyncDisposable> {
  const all: TestNode[] = [];
  for (const id of [..."abcdef"].slice(0, count)) {
    const node = await TestNode.start(etcd, ["--id", id, ...flags], CONTROLLED);
    all.push(node);
    await node.logs("queued");
  }
  await all[0]!.logs("leading");
  for (const node of all.slice(1)) await node.logs("following");
  const dispose = async () => {
    await Promise.all(all.map((node) => node[Symbol.asyncDispose]()));
  };
  return Object.assign(all, { [Symbol.asyncDispose]: dispose });
}

/** What a node answers to a POST. */
async function post(
  node: TestNode,
  path: string,
  body?: unknown,
  token: string | undefined = TOKEN,
): Promise<{ status: number; answer: Record<string, unknown> }> {
  const response = await node.get(path, {
    method: "POST",
    headers: { accept: "application/json", ...(token ? { authorization: `Bearer ${token}` } : {}) },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
  return { status: response.status, answer: JSON.parse(response.body) };
}

/** Hands the lead on, once the candidate waits: one that led, or that was passed, queues again in a moment. */
async function switchover(node: TestNode, leader: string, candidate: string): Promise<number> {
  for (;;) {
    const { status, answer } = await post(node, "/switchover", { leader, candidate });
    if (!String(answer.error).includes("is not waiting")) return status;
  }
}

/** Runs `leader-node` as somebody would who moves the lead. */
function cli(...args: string[]): Promise<{ code: number; out: string }> {
  return cliWith({}, ...args);
}

/** The same with more in its environment. */
async function cliWith(env: Record<string, string>, ...args: string[]): Promise<{ code: number; out: string }> {
  const main = fileURLToPath(new URL("../main.ts", import.meta.url));
  const command = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", main, ...args],
    env: { ...CONTROLLED.env, ...env },
  });
  const { code, stdout, stderr } = await command.output();
  return { code, out: new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr) };
}

/** Resolves when a node says that somebody leads. */
async function says(node: TestNode, leader: string): Promise<void> {
  const ask = async () => {
    while (JSON.parse((await node.get("/status")).body).leader !== leader);
  };
  await within(5000, `a node to say that ${leader} leads`, ask());
}

Deno.test("POST /resign hands the lead to the next, POST /switchover to a named one, wherever it waits", async () => {
  await using etcd = await LocalEtcd.start();
  await using all = await nodes(etcd, 4);
  const [a, b, c, d] = all as unknown as [TestNode, TestNode, TestNode, TestNode];
  await a.get("/status");
  const resigned = await post(a, "/resign");
  assertEquals(resigned, { status: 200, answer: { leader: "b", leader_url: `http://127.0.0.1:${b.port}` } });
  // Now b leads; c, d and a wait.
  await says(b, "b");
  assertEquals(await switchover(b, "b", "a"), 200);
  for (const node of [a, b, c, d]) await says(node, "a");
  assertEquals(JSON.parse((await a.get("/status")).body).is_leader, true);
});

Deno.test("moving the lead is refused to those who may not, and when it cannot be", async () => {
  await using etcd = await LocalEtcd.start();
  await using all = await nodes(etcd, 2);
  const [a, b] = all as unknown as [TestNode, TestNode];
  await using off = await TestNode.start(etcd, ["--id", "off"]);
  await off.logs("following");
  await etcd.ctl("put", "leader-node/7", "foreign");
  await using last = await TestNode.start(etcd, ["--id", "last"], CONTROLLED);
  await last.logs("following");
  const wanted = { leader: "a", candidate: "b" };
  const cases: [node: TestNode, path: string, body: unknown, token: string, status: number, error: RegExp][] = [
    [off, "/resign", undefined, TOKEN, 403, /no control token/],
    [a, "/resign", undefined, "", 401, /Bearer/],
    [a, "/resign", undefined, "a-long-enough-tokem", 401, /Bearer/],
    [a, "/switchover", wanted, `${TOKEN}x`, 401, /Bearer/],
    [b, "/resign", undefined, TOKEN, 503, /ask a at http:\/\/127.0.0.1/],
    [b, "/switchover", wanted, TOKEN, 503, /ask a at/],
    [a, "/switchover", "{broken", TOKEN, 400, /expected JSON/],
    [a, "/switchover", { candidate: "b" }, TOKEN, 400, /expected JSON/],
    [a, "/switchover", { leader: "a", candidate: 7 }, TOKEN, 400, /expected JSON/],
    [a, "/switchover", "null", TOKEN, 400, /expected JSON/],
    [a, "/switchover", { leader: "x".repeat(5000) }, TOKEN, 413, /too long/],
    [a, "/switchover", { leader: "b", candidate: "a" }, TOKEN, 412, /b is not the leader: a is/],
    [a, "/switchover", { leader: "a", candidate: "a" }, TOKEN, 412, /a is not waiting/],
    [a, "/switchover", { leader: "a", candidate: "nobody" }, TOKEN, 412, /nobody is not waiting/],
    [a, "/switchover", { leader: "a", candidate: "last" }, TOKEN, 412, /another program is queued before it/],
  ];
  for (const [node, path, body, token, status, error] of cases) {
    const got = await post(node, path, body, token);
    assertEquals(got.status, status, JSON.stringify([path, body, got]));
    assertMatch(String(got.answer.error), error);
  }
  const { status, headers } = await a.get("/resign");
  assertEquals([status, headers.get("allow")], [405, "POST, OPTIONS"]);
  assertEquals(a.log.filter((line) => typeof line !== "string" && line.event === "term-ended"), []);
  const refused = await a.logs("control-refused", { fields: { level: "warn", request: "resign", attempts: 1 } });
  assertEquals(refused.remote, "127.0.0.1");
  assert(!JSON.stringify([a.log, b.log, last.log]).includes(TOKEN));
});

Deno.test("leader-node resign and switchover ask any node, and say what came of it", async () => {
  await using etcd = await LocalEtcd.start();
  await using all = await nodes(etcd, 3);
  const b = all[1]!;
  const url = ["--url", `http://localhost:${b.port}`];
  assertEquals(await cli("switchover", ...url, "--candidate", "c"), { code: 0, out: "c leads now (before: a)\n" });
  await says(b, "c");
  const refused = await cli("switchover", ...url, "--leader", "a", "--candidate", "b");
  assertEquals(refused, { code: 1, out: "leader-node: the leader is c, not a\n" });
  const { code, out } = await cli("resign", ...url);
  assertEquals(code, 0);
  assertMatch(out, /^[ab] leads now \(before: c\)\n$/);
  assertEquals((await cli("switchover", ...url)).code, 2);
  assertMatch((await cli("resign", "--url", "http://localhost:1")).out, /^leader-node: http:.* cannot be reached: /);
});

Deno.test("the control token goes neither to a leader that etcd alone names nor through a proxy", async () => {
  await using etcd = await LocalEtcd.start();
  const paths: string[] = [];
  await using other = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, ({ headers, url }) => {
    paths.push(`${url} ${headers.get("authorization")}`);
    return new Response();
  });
  const proxy = {
    HTTP_PROXY: `http://127.0.0.1:${other.addr.port}`,
    http_proxy: `http://127.0.0.1:${other.addr.port}`,
  };
  await using a = await TestNode.start(etcd, ["--id", "a"], CONTROLLED);
  await a.logs("leading");
  const url = ["--url", `http://127.0.0.1:${a.port}`];
  assertEquals(await cliWith(proxy, "resign", ...url), {
    code: 0,
    out: "a has resigned; there is no new leader yet\n",
  });
  await a.stop();
  for (const leader of [`https://127.0.0.1:${other.addr.port}`, `http://leader.invalid:${other.addr.port}`]) {
    await etcd.ctl("put", "leader-node/0", JSON.stringify({ id: "evil", url: leader, priority: 0 }));
    await using b = await TestNode.start(etcd, ["--id", "b"], CONTROLLED);
    await b.logs("following", { fields: { leader: "evil" } });
    const { code, out } = await cliWith(proxy, "resign", "--url", `http://127.0.0.1:${b.port}`);
    assertEquals(code, 1);
    assertMatch(out, new RegExp(`^leader-node: the control token was not sent: the leader, evil, is at ${leader}, `));
  }
  assertEquals(paths, []);
});

Deno.test("switchovers under fire: commands never overlap, and the lead goes where it was sent", async () => {
  await using etcd = await LocalEtcd.start();
  await using beats = await Beats.create();
  await using all = await nodes(etcd, 3, ["--", ...beats.command()]);
  await within(5000, "the first beat", beats.begins());
  for (const [from, to] of [[0, 2], [2, 1], [1, 0]] as const) {
    const [leader, candidate] = ["abc"[from]!, "abc"[to]!];
    await Promise.all(all.map((node) => says(node, leader)));
    // All at once: one is carried out, and what comes too late is refused. One that was passed queues again.
    const statuses = await Promise.all([1, 2, 3].map(() => switchover(all[from]!, leader, candidate)));
    assert(statuses.includes(200), statuses.join());
    await says(all[to]!, candidate);
  }
  // The leader is killed in the middle of handing on.
  const handing = post(all[0]!, "/switchover", { leader: "a", candidate: "c" }).catch(() => undefined);
  all[0]!.kill("SIGKILL");
  await handing;
  const { leader } = await within(
    5000,
    "a next leader",
    (async () => {
      for (;;) {
        const status = JSON.parse((await all[1]!.get("/status")).body);
        if (status.leader && status.leader !== "a") return status;
      }
    })(),
  );
  assertMatch(leader, /^[bc]$/);
  await Promise.all(all.slice(1).map((node) => node.stop()));
  await all[0]!.exited;
  beats.assertNoOverlap();
});

unixTest("a leader that leaves hands over to the waiting candidate with the highest priority", async () => {
  await using etcd = await LocalEtcd.start();
  await using a = await TestNode.start(etcd, ["--id", "a"]);
  await a.logs("leading");
  await using b = await TestNode.start(etcd, ["--id", "b", "--priority", "-1"]);
  await b.logs("following");
  await using c = await TestNode.start(etcd, ["--id", "c"]);
  await c.logs("following");
  await a.logs("queue-changed", { fields: { candidates: 3 } });
  await a.stop();
  await c.logs("leading");
  await says(b, "c");
});

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { fileURLToPath } from "node:url";
import { LocalEtcd } from "../dev/local_etcd.ts";
import { keyText } from "../election/etcd/codec.ts";
import { leftoverProblem } from "../http/leftover.ts";
import { TestNode, threeNodes } from "./support/node.ts";
import { Program } from "./support/program.ts";
import { linuxTest, unixTest } from "./support/systems.ts";
import { within } from "./support/until.ts";
import { askForUsers } from "./support/users.ts";

const MAIN = fileURLToPath(new URL("../main.ts", import.meta.url));

/** Runs `leader-node` as somebody would who looks. */
function look(etcd: { endpoint: string }, ...args: string[]) {
  return Program.run(Deno.execPath(), ["run", "-A", "--quiet", MAIN, ...args, "--endpoints", etcd.endpoint]);
}

unixTest("status, members, history and doctor tell of an election, and scripts by their exit codes", async () => {
  await using etcd = await LocalEtcd.start();
  for (const command of ["status", "members"]) {
    const { code, stdout } = await look(etcd, command);
    assertEquals(code, 3);
    assertMatch(stdout, /^(leader-node has no leader|the queue is empty)/);
  }
  const [a, b, c] = await threeNodes(etcd);
  await using _b = b;
  await using _c = c;

  const members = await look(etcd, "members");
  assertEquals(members.code, 0);
  const rows = members.stdout.trim().split("\n").map((line) => line.split(/ {2,}/));
  assertEquals(rows.map((row) => [row[0], row[1], row[2], row.at(-1)]), [
    ["#", "ID", "ROLE", "URL"],
    ["1", "a", "leader", `http://127.0.0.1:${a.port}`],
    ["2", "b", "candidate", `http://127.0.0.1:${b.port}`],
    ["3", "c", "candidate", `http://127.0.0.1:${c.port}`],
  ]);
  assert(!members.stdout.includes("\x1b"), "colours are for terminals");
  const json = JSON.parse((await look(etcd, "members", "--json")).stdout);
  assertEquals(json, JSON.parse((await a.get("/members")).body).members);

  const status = await look(etcd, "status");
  assertEquals(status.code, 0);
  assertMatch(status.stdout, /^a leads leader-node with token \d+, for \d+ s\n/);
  assertMatch(status.stdout, /^b +follower +a +\d+ ms /m);
  const { leader, doubts, nodes } = JSON.parse((await look(etcd, "status", "--json")).stdout);
  assertEquals([leader, doubts, nodes.length], ["a", [], 3]);

  await a.stop();
  await b.logs("leading");
  await c.logs("following", { fields: { leader: "b" } });
  const history = await look(etcd, "history");
  assertEquals(history.code, 0);
  assertMatch(history.stdout, /^\d+ +b .* ongoing\n\d+ +a .* resigned\n$/m);

  const doctor = await look(etcd, "doctor");
  assertEquals(doctor.code, 0, doctor.stdout);
  for (
    const line of [
      `ok    etcd at ${etcd.endpoint}: version`,
      "ok    quorum: linearizable reads take",
      "ok    leases, reads and writes under leader-node/ are permitted",
      "ok    TTL 5 s (the shortest of the nodes), etcd's minimum is 2 s",
      "ok    2 candidates, b is first",
      "ok    node c: follower",
      "warn  only one endpoint",
    ]
  ) assertStringIncludes(doctor.stdout, line);
});

unixTest("members --watch shows each change, one line of JSON each, and ends well by Ctrl+C", async () => {
  await using etcd = await LocalEtcd.start();
  await using a = await TestNode.start(etcd, ["--id", "a"]);
  await a.logs("leading");
  const args = ["run", "-A", "--quiet", MAIN, "members", "--watch", "--json", "--endpoints", etcd.endpoint];
  await using watch = Program.start(Deno.execPath(), args);
  const ids = () =>
    watch.output.trim().split("\n").filter(Boolean).map((line) =>
      JSON.parse(line).map(({ id }: { id: string }) => id).join()
    );
  await watch.until("the queue", () => Promise.resolve(ids().at(-1) === "a"));
  await using b = await TestNode.start(etcd, ["--id", "b"]);
  await b.logs("following");
  await watch.until("two in the queue", () => Promise.resolve(ids().at(-1) === "a,b"));
  await a.stop();
  await watch.until("one to be left", () => Promise.resolve(ids().at(-1) === "b"));
  await watch.stop("SIGINT");
  assertEquals((await watch.status).code, 0);
});

Deno.test("an etcd that is away, or refuses, is one line and exit code 1", async () => {
  const nowhere = { endpoint: "127.0.0.1:2" };
  for (
    const { code, stdout, stderr } of await Promise.all(["status", "members", "history"].map((it) => look(nowhere, it)))
  ) {
    assertEquals([code, stdout], [1, ""]);
    assertEquals(stderr, "leader-node: etcd at 127.0.0.1:2 cannot be reached: connection refused\n");
  }
  const { code, stdout } = await look(nowhere, "doctor");
  assertEquals(code, 1);
  assertEquals(
    stdout,
    "FAIL  etcd at 127.0.0.1:2 cannot be reached: connection refused\n\n1 failure, 0 warnings\n",
  );
  const { code: wrong, stderr } = await look(nowhere, "status", "--watch");
  assertEquals([wrong, stderr], [2, "leader-node: status does not take --watch; only members does\n"]);
});

Deno.test("the doctor finds a user that may not write, and does not touch what it looks at", async () => {
  await using etcd = await LocalEtcd.start();
  await askForUsers(etcd, { user: "reader", kind: "read", prefix: "leader-node/" });
  const { code, stdout } = await look(etcd, "doctor", "--user", "reader:secret");
  assertEquals(code, 1);
  assertMatch(stdout, /^FAIL {2}cannot write under leader-node\/: .*permission denied$/m);
  assertMatch(stdout, /^ok {4}quorum/m);
  const root = await look(etcd, "doctor", "--user", "root:rootpw");
  assertEquals(root.code, 0, root.stdout);
  assertMatch(root.stdout, /^warn {2}the queue is empty$/m);
  assertEquals((await look(etcd, "members", "--user", "root:rootpw")).code, 3);
});

Deno.test("a leftover key without a lease is named everywhere, with the command that deletes it", async () => {
  await using etcd = await LocalEtcd.start();
  await using early = await TestNode.start(etcd, ["--id", "early", "--observe"]);
  await early.logs("no-leader");
  await etcd.ctl("put", "leader-node/left over", "ghost");
  await using late = await TestNode.start(etcd, ["--id", "late"]);
  const problem = "no lease: this key never expires; delete it with: etcdctl del 'leader-node/left over'";
  // One has it from an event, the other from a list.
  for (const node of [early, late]) {
    await node.logs("following", { fields: { leader: "ghost" } });
    const { status, body } = await node.get("/readyz?verbose");
    assertEquals(status, 503);
    assertStringIncludes(body, `[-] the leader is ghost, ${problem}\n`);
    assertEquals(JSON.parse((await node.get("/members")).body).members[0].problem, problem);
  }
  await late.logs("queued");
  for (const tool of ["members", "status", "doctor"]) {
    const { code, stdout } = await look(etcd, tool);
    assertEquals(code, 1, stdout);
    assertStringIncludes(stdout, `${tool === "doctor" ? "FAIL  " : ""}ghost: ${problem}`);
  }
  await etcd.ctl("del", "leader-node/left over");
  await late.logs("leading");
  assertEquals((await early.get("/readyz")).status, 200);
});

unixTest("a leader that does not answer is a problem, for scripts too", async () => {
  await using etcd = await LocalEtcd.start();
  await using a = await TestNode.start(etcd, ["--id", "a", "--ttl", "60"]);
  await a.logs("leading");
  await using b = await TestNode.start(etcd, ["--id", "b"]);
  await b.logs("following");
  a.kill("SIGSTOP");
  const { code, stdout } = await look(etcd, "status");
  assertEquals(code, 1);
  assertMatch(stdout, /^the leader, a, cannot be reached: no answer within 3 s$/m);
});

linuxTest("a stdout that is full is one line and exit code 1, one that is closed is no error", async () => {
  await using etcd = await LocalEtcd.start();
  const controlled = { env: { LEADER_NODE_CONTROL_TOKEN: "a-long-enough-token" } };
  await using a = await TestNode.start(etcd, ["--id", "a"], controlled);
  await a.logs("leading");
  const asked = ["status", "members", "members --watch", "history", "doctor", "status --json"];
  const printed = ["help", "version", "--help", "status --help", "man", "completions bash"];
  const run = (script: string, args: string) => {
    const end = asked.includes(args) ? ["--endpoints", etcd.endpoint] : [];
    const words = [Deno.execPath(), "run", "-A", "--quiet", MAIN, ...args.split(" "), ...end];
    return Program.run("bash", ["-c", script, ...words], controlled);
  };
  const control = `resign --url http://127.0.0.1:${a.port}`;
  for (const args of [...asked, ...printed, control]) {
    const { code, stderr } = await run(`"$0" "$@" >/dev/full`, args);
    assertEquals(stderr, "leader-node: cannot write to stdout: No space left on device (os error 28)\n", args);
    assertEquals(code, 1);
  }
  for (const args of [...asked.slice(0, -1), ...printed].filter((args) => args !== "members --watch")) {
    const { stdout, stderr } = await run(`"$0" "$@" | true; echo "\${PIPESTATUS[0]}"`, args);
    assertEquals([stdout, stderr], ["0\n", ""], args);
  }
  // Nothing changes: it ends all the same.
  const watching = run(`"$0" "$@" | head -1; echo "\${PIPESTATUS[0]}"`, "members --watch");
  const { stdout, stderr } = await within(30_000, "members --watch to end without a reader", watching);
  assertMatch(stdout, /^#.*\n0\n$/);
  assertEquals(stderr, "");
});

unixTest("the command names exactly the key, whatever bytes it has", async () => {
  const keys = ["jobs/7", "-x/7", "a b", "a'b", "$(id)", "a;b", "ä/7", "a\n\x1b\\'b", "\u202e7"].map((key) =>
    new TextEncoder().encode(key)
  );
  for (const key of [...keys, Uint8Array.of(0x6a, 0xff, 0x27, 0x80)]) {
    const problem = leftoverProblem({ key: keyText(key), token: 1n, id: "x", leaseless: true })!;
    const words = problem.split("etcdctl del ")[1]!;
    // What the shell makes of it.
    const script = `set -- ${words}; shift $(($# - 1)); printf %s "$1"`;
    const { stdout } = await new Deno.Command("bash", { args: ["-c", script], env: { LC_ALL: "C" } }).output();
    assertEquals(stdout, key, words);
  }
});

/** A server that is no node, whatever it is asked. It counts what it sent of bodies that do not end. */
class Impostor implements AsyncDisposable {
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly url: string;
  sent = 0;

  constructor() {
    this.#server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, ({ url }) => this.#answer(url));
    this.url = `http://127.0.0.1:${this.#server.addr.port}`;
  }

  #answer(url: string): Response {
    switch (new URL(url).pathname.split("/")[1]) {
      case "page":
        return new Response("<h1>It works!</h1>", { headers: { "content-type": "text/html" } });
      case "null":
        return Response.json(null);
      case "terms":
        return Response.json({ terms: [null, { token: 1, id: "x", from: "?", ended: "constructor" }], node: "terms" });
      case "silent":
        return new Response(new ReadableStream());
    }
    const piece = new Uint8Array(65536).fill(32);
    return new Response(
      new ReadableStream({
        pull: (controller) => {
          this.sent += piece.length;
          controller.enqueue(piece);
        },
      }),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}

Deno.test("what hostile servers answer is bounded, is not believed and ends no tool", async () => {
  await using etcd = await LocalEtcd.start();
  await using impostor = new Impostor();
  for (const id of ["page", "null", "terms", "silent", "endless"]) {
    await etcd.ctl("put", `leader-node/${id}`, JSON.stringify({ id, url: `${impostor.url}/${id}`, priority: 0 }));
  }
  const status = await look(etcd, "status");
  const history = await look(etcd, "history");
  const doctor = await look(etcd, "doctor");
  assertEquals([status.stderr, history.stderr, doctor.stderr], ["", "", ""]);
  assertMatch(history.stdout, /^1 +x +ongoing$/m);
  assertEquals([status.code, doctor.code], [1, 1], doctor.stdout);
  for (const id of ["page", "null", "terms", "endless"]) {
    assertMatch(status.stdout, new RegExp(`^${id} +answered 200, but is not a leader-node`, "m"));
    assertStringIncludes(doctor.stdout, `warn  node ${id}: answered 200, but is not a leader-node`);
  }
  assertMatch(status.stdout, /^silent +cannot be reached: no answer within 3 s/m);
  await etcd.ctl("put", "leader-node/\x1b[2J\u202e/7", "x\x9b2J");
  for (const command of ["members", "members --json", "status --json", "doctor", "doctor --json"]) {
    const { stdout } = await look(etcd, ...command.split(" "));
    assert(stdout.includes("2J") && !/[^\P{C}\n]/u.test(stdout), stdout);
  }
  assert(impostor.sent < 100e6, `${impostor.sent} bytes were read`);
});

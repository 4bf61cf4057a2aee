import { assert, assertEquals, assertGreater, assertMatch, assertStringIncludes } from "@std/assert";
import { Buffer } from "node:buffer";
import { Etcd3 } from "etcd3";
import { fileURLToPath } from "node:url";
import { freePort, LocalEtcd } from "../dev/local_etcd.ts";
import { TestNode } from "./support/node.ts";
import { Program } from "./support/program.ts";
import { unixTest } from "./support/systems.ts";
import { within } from "./support/until.ts";

const MAIN = fileURLToPath(new URL("../main.ts", import.meta.url));

/** Three nodes in the order of the queue; the first one leads. */
async function threeNodes(etcd: LocalEtcd, flags: string[] = []): Promise<[TestNode, TestNode, TestNode]> {
  const first = await TestNode.start(etcd, flags);
  await first.logs("leading");
  const second = await TestNode.start(etcd, flags);
  await second.logs("queued");
  const third = await TestNode.start(etcd, flags);
  await Promise.all([second.logs("following"), third.logs("following")]);
  return [first, second, third];
}

Deno.test("by default a node listens on all addresses, of both families", async () => {
  await using etcd = await LocalEtcd.start();
  await using node = await TestNode.start(etcd, ["--hostname", "::"]);
  for (const host of ["127.0.0.1", "[::1]"]) {
    assertEquals(await (await fetch(`http://${host}:${node.port}/livez`)).text(), "ok\n");
  }
});

Deno.test({
  name: "where :: leaves out IPv4, by net.ipv6.bindv6only, a node listens on IPv4",
  ignore: Deno.build.os !== "linux" || Deno.uid() !== 0,
  async fn() {
    const script = `
      const { serve } = await import(${JSON.stringify(import.meta.resolve("../http/server.ts"))});
      const unused = () => {};
      const handler = () => new Response();
      serve({ port: 0, hostname: "::", handler, onClose: unused, onError: unused, onInterrupted: unused });
      console.log(Deno.readTextFileSync("/proc/self/net/tcp").split("\\n").filter((line) => / 0A /.test(line)).length);
      Deno.exit();`;
    const shell = 'echo "$0" > /proc/sys/net/ipv6/bindv6only && exec "$@"';
    const deno = [Deno.execPath(), "eval", "--quiet", script];
    for (const [setting, byIpv4] of [["1", "1"], ["0", "0"]] as const) {
      const { code, stdout, stderr } = await Program.run("unshare", ["--net", "sh", "-c", shell, setting, ...deno]);
      assertEquals([code, stdout.trim(), stderr], [0, byIpv4, ""]);
    }
  },
});

Deno.test("three nodes: one says that it leads, the others say on which port", async () => {
  await using etcd = await LocalEtcd.start();
  const [a, b, c] = await threeNodes(etcd);
  await using _a = a;
  await using _b = b;
  await using _c = c;
  assertEquals(await a.curl(), "I am the leader\n");
  for (const follower of [b, c]) {
    assertEquals(await follower.curl(), `I am a follower and the leader is on port ${a.port}\n`);
  }
});

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  unixTest(`a leader that gets ${signal} resigns, ends with code 0, and the next one leads`, async () => {
    await using etcd = await LocalEtcd.start();
    const [a, b, c] = await threeNodes(etcd);
    await using _b = b;
    await using _c = c;
    const seenByC = c.log.length;
    assertEquals(await a.stop(signal), 0);
    await b.logs("leading");
    assertEquals(await b.curl(), "I am the leader\n");
    await c.logs("following", { from: seenByC });
    assertEquals(await c.curl(), `I am a follower and the leader is on port ${b.port}\n`);
    assertEquals((await etcd.ctl("get", "leader-node/", "--prefix", "--keys-only")).split("\n\n").length, 2);
    assertEquals((await etcd.ctl("lease", "list")).split("\n")[0], "found 2 leases");
  });
}

Deno.test("a leader that is killed is replaced within the TTL and two seconds", async () => {
  await using etcd = await LocalEtcd.start();
  const [a, b, c] = await threeNodes(etcd, ["--ttl", "2"]);
  await using _b = b;
  await using _c = c;
  a.kill("SIGKILL");
  await b.logs("leading", { ms: 4000 });
  assertEquals(await b.curl(), "I am the leader\n");
  await c.logs("following", { fields: { url: `http://127.0.0.1:${b.port}` } });
  await a.exited;
});

unixTest("a leader that was frozen for longer than its TTL does not say that it leads when it thaws", async () => {
  await using etcd = await LocalEtcd.start();
  const [a, b, c] = await threeNodes(etcd, ["--ttl", "2"]);
  await using _a = a;
  await using _b = b;
  await using _c = c;
  a.kill("SIGSTOP");
  // They wait in the frozen one's socket and are the first that it answers.
  const early = Array.from({ length: 20 }, () => a.curl());
  await b.logs("leading", { ms: 4000 });
  a.kill("SIGCONT");
  for (const answer of await within(5000, "the answers after the thaw", Promise.all(early))) {
    assertMatch(answer, /^I am a follower and (there is no leader|the leader is on port \d+)\n$/);
  }
  const { reason } = await a.logs("term-ended");
  assertMatch(String(reason), /expired|lost/);
  await a.logs("following");
  assertEquals(await a.curl(), `I am a follower and the leader is on port ${b.port}\n`);
});

Deno.test("etcd that is not there at the start: HTTP answers, one warning, and it joins when etcd comes", async () => {
  await using etcd = await LocalEtcd.prepare();
  await using a = await TestNode.start(etcd);
  const { message } = await a.logs("etcd-failing");
  assertStringIncludes(String(message), `etcd at 127.0.0.1:${etcd.port} cannot be reached: connection refused`);
  assertEquals(await a.curl(), "I am a follower and there is no leader\n");
  assertEquals((await a.get("/livez")).status, 200);
  const { status, body } = await a.get("/readyz?verbose");
  assertEquals(status, 503);
  assertStringIncludes(body, "[-] etcd has not answered yet");
  await etcd.start();
  await a.logs("leading");
  assertEquals(await a.curl(), "I am the leader\n");
  assertEquals((await a.get("/readyz")).status, 200);
  const warnings = a.log.filter((line) => typeof line === "string" || line.level === "warn");
  assertEquals(warnings.length, 1, JSON.stringify(warnings));
});

Deno.test("etcd that is lost later: nobody leads, HTTP answers, and one leads again when etcd is back", async () => {
  await using etcd = await LocalEtcd.start();
  await using a = await TestNode.start(etcd, ["--ttl", "2"]);
  await a.logs("leading");
  await etcd.stop("SIGKILL");
  await a.logs("term-ended");
  assertEquals(await a.curl(), "I am a follower and there is no leader\n");
  const before = a.log.length;
  await etcd.start();
  await a.logs("leading", { from: before });
  assertEquals(await a.curl(), "I am the leader\n");
});

Deno.test("etcd that says goodbye again and again does not end the process", async () => {
  await using etcd = await LocalEtcd.start();
  // Freed memory is overwritten: what Deno frees too early (denoland/deno#36788) ends the process for sure.
  await using a = await TestNode.start(etcd, [], { env: { MALLOC_PERTURB_: "165" } });
  await using b = await TestNode.start(etcd, ["--observe"], { env: { MALLOC_PERTURB_: "165" } });
  await a.logs("leading");
  for (let round = 0; round < 3; round++) {
    const [seenByA, seenByB] = [a.log.length, b.log.length];
    await etcd.stop("SIGTERM");
    await Promise.all([a.logs("etcd-failing", { from: seenByA }), b.logs("etcd-failing", { from: seenByB })]);
    await etcd.start();
    await Promise.all([a.logs("etcd-answers", { from: seenByA }), b.logs("etcd-answers", { from: seenByB })]);
  }
  assertEquals(await a.curl(), "I am the leader\n");
  assertEquals(await b.curl(), `I am a follower and the leader is on port ${a.port}\n`);
});

unixTest("a node that slept while etcd compacted what it watched sees the queue as it is", async () => {
  await using etcd = await LocalEtcd.start();
  await using observer = await TestNode.start(etcd, ["--observe"]);
  await observer.logs("no-leader");
  observer.kill("SIGSTOP");
  const client = new Etcd3({ hosts: etcd.endpoint });
  // More than sockets buffer, so that etcd cannot have sent it all.
  for (let put = 0; put < 30; put++) await client.put("leader-node/big").value(Buffer.alloc(1_000_000, "x"));
  await client.delete().key("leader-node/big");
  const { header } = await client.put("leader-node/next").value("the next");
  await client.kv.compact({ revision: header.revision });
  client.close();
  observer.kill("SIGCONT");
  await observer.logs("following", { fields: { leader: "the next" } });
  assertEquals(await observer.curl(), "I am a follower and the leader is the next\n");
});

/**
 * A server that greets like HTTP/2 and says goodbye in the same breath, before any request: for so many
 * connections, then it passes them on to `target`.
 */
function goodbyeServer(target: number, goodbyes: number): Deno.TcpListener {
  const settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
  const goaway = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0];
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const serve = async (client: Deno.TcpConn) => {
    if (goodbyes-- > 0) {
      await client.write(new Uint8Array([...settings, ...goaway]));
      await client.readable.pipeTo(new WritableStream());
    } else {
      const server = await Deno.connect({ hostname: "127.0.0.1", port: target });
      await Promise.all([client.readable.pipeTo(server.writable), server.readable.pipeTo(client.writable)]);
    }
  };
  (async () => {
    for await (const client of listener) serve(client).catch(() => {});
  })();
  return listener;
}

Deno.test("an etcd that says goodbye before it is asked neither ends the process nor keeps it busy", async () => {
  await using etcd = await LocalEtcd.start();
  using listener = goodbyeServer(etcd.port, 8);
  const endpoint = `http://127.0.0.1:${listener.addr.port}`;
  await using a = await TestNode.start({ endpoint }, [], { env: { MALLOC_PERTURB_: "165" } });
  await a.logs("leading");
  assertEquals(await a.curl(), "I am the leader\n");
});

unixTest("a second signal ends the process at once", async () => {
  await using etcd = await LocalEtcd.start();
  await using a = await TestNode.start(etcd);
  await a.logs("leading");
  etcd.signal("SIGSTOP");
  a.kill("SIGTERM");
  await a.logs("stopping");
  // One that comes within half a second is the same signal.
  const again = setInterval(() => a.kill("SIGTERM"), 100);
  const { code } = await within(3000, "the node to end", a.exited).finally(() => clearInterval(again));
  assertEquals(code, 143);
  etcd.signal("SIGCONT");
});

unixTest("a signal while etcd is silent ends the process in good order within seconds", async () => {
  await using etcd = await LocalEtcd.start();
  const a = await TestNode.start(etcd);
  await a.logs("leading");
  etcd.signal("SIGSTOP");
  assertEquals(await a.stop(), 0);
  etcd.signal("SIGCONT");
});

Deno.test("a node that observes follows and is never a candidate", async () => {
  await using etcd = await LocalEtcd.start();
  await using observer = await TestNode.start(etcd, ["--observe"]);
  await observer.logs("no-leader");
  assertEquals(await observer.curl(), "I am a follower and there is no leader\n");
  await using a = await TestNode.start(etcd);
  await a.logs("leading");
  await observer.logs("following");
  assertEquals(await observer.curl(), `I am a follower and the leader is on port ${a.port}\n`);
  assertEquals((await observer.get("/readyz")).status, 200);
  assertEquals((await etcd.ctl("lease", "list")).split("\n")[0], "found 1 leases");
});

Deno.test("a leader on another host is named by its URL, one without a URL by its name", async () => {
  await using etcd = await LocalEtcd.start();
  await etcd.ctl("put", "leader-node/1", JSON.stringify({ id: "b", url: "http://host-b:8080" }));
  await using a = await TestNode.start(etcd);
  await a.logs("following");
  assertEquals(await a.curl(), "I am a follower and the leader is at http://host-b:8080\n");
  const before = a.log.length;
  await etcd.ctl("put", "leader-node/1", "somebody\r\nelse");
  await a.logs("following", { from: before });
  assertEquals(await a.curl(), "I am a follower and the leader is somebody\uFFFD\uFFFDelse\n");
});

Deno.test("the status tells all that a program wants to know", async () => {
  await using etcd = await LocalEtcd.start();
  await using a = await TestNode.start(etcd, ["--id", "node-a", "--advertise-url", "http://127.0.0.1:1234/"]);
  const leading = await a.logs("leading");
  await using b = await TestNode.start(etcd, ["--id", "node-b"]);
  await b.logs("following");
  const { status, headers, body } = await a.get("/status");
  assertEquals([status, headers.get("content-type")], [200, "application/json"]);
  const { timestamp, since, lease, queue_age_ms, version, command, watchdog, ...rest } = JSON.parse(body);
  assertEquals(rest, {
    name: "node-a",
    is_leader: true,
    leader: "node-a",
    node: "node-a",
    role: "leader",
    url: "http://127.0.0.1:1234",
    leader_url: "http://127.0.0.1:1234",
    leader_meta: null,
    token: leading.token,
  });
  assert(Date.parse(since) <= Date.parse(timestamp));
  assertMatch(lease.id, /^[0-9a-f]+$/);
  assertEquals(lease.ttl, 5);
  assertGreater(lease.expires_in_ms, 0);
  assertGreater(queue_age_ms, -1);
  assertEquals([command, watchdog], [null, null]);
  assertMatch(version, /^\d+\.\d+\.\d+$/);

  const other = JSON.parse((await b.get("/status")).body);
  assertEquals([other.is_leader, other.role, other.leader, other.node], [false, "follower", "node-a", "node-b"]);
  assertEquals([other.token, other.leader_url], [leading.token, "http://127.0.0.1:1234"]);
  assertEquals(await b.curl(), "I am a follower and the leader is on port 1234\n");
  assertEquals((await a.get("/leader")).status, 200);
  assertEquals((await b.get("/leader")).status, 503);
  assertEquals((await a.get("/follower")).status, 503);
  assertEquals((await b.get("/follower")).status, 200);
});

Deno.test("flags go before the environment, the environment before defaults", async () => {
  await using etcd = await LocalEtcd.start();
  const env = { LEADER_NODE_ELECTION: "by-environment", LEADER_NODE_ID: "env-id", ETCDCTL_ENDPOINTS: "127.0.0.1:1" };
  await using a = await TestNode.start(etcd, ["--id=flag-id"], { env });
  await a.logs("leading");
  assertStringIncludes(await etcd.ctl("get", "by-environment/", "--prefix"), `"id":"flag-id"`);
});

unixTest("logs are one line an event, and silent while nothing happens", async () => {
  await using etcd = await LocalEtcd.start();
  await using a = await TestNode.start(etcd, ["--log-level", "info", "--ttl", "2"]);
  await a.logs("leading");
  const before = a.log.length;
  const { lease } = JSON.parse((await a.get("/status")).body);
  // Several renewals later: only then could more have been logged.
  while (JSON.parse((await a.get("/status")).body).lease.expires_in_ms <= lease.expires_in_ms) {
    await etcd.ctl("version");
  }
  assertEquals(a.log.slice(before), []);
  assertEquals(await a.stop(), 0);
  const events = a.log.map((line) => typeof line === "string" ? line : line.event).filter((event) =>
    event !== "no-leader"
  );
  assertEquals(events, ["listening", "joining", "leading", "stopping", "term-ended", "stopped"]);
});

unixTest("log lines for people name time, level, node, event and fields", async () => {
  await using etcd = await LocalEtcd.start();
  const flags = ["--port=0", "--hostname=127.0.0.1", `--endpoints=${etcd.endpoint}`, "--id=a b"];
  await using node = Program.start(Deno.execPath(), ["run", "-A", "--quiet", MAIN, ...flags]);
  await node.until("to lead", () => Promise.resolve(node.output.includes(" leading ")));
  assertEquals((await node.stop()).code, 0);
  const all = node.output.trimEnd().split("\n");
  for (const line of all) {
    assertMatch(line, /^\d{4}-\d\d-\d\dT[\d:.]+Z (DEBUG|INFO |WARN |ERROR) "a b" [a-z-]+( \w+=(\S+|".*"))*$/);
  }
  assertMatch(all.join("\n"), / term-ended token=\d+ reason=stopped/);
});

Deno.test("a port in use is one line, with exit code 1", async () => {
  const port = freePort();
  using _listener = Deno.listen({ hostname: "127.0.0.1", port });
  const { code, stdout, stderr } = await main(["--hostname", "127.0.0.1", "--port", String(port)]);
  assertEquals([code, stdout], [1, ""]);
  assertMatch(stderr, /^leader-node: cannot listen on 127\.0\.0\.1 port \d+: the port is in use; .*--port.*\n$/);
});

Deno.test("an address that is not this machine's is one line, with exit code 1", async () => {
  const { code, stderr } = await main(["--hostname", "192.0.2.1", "--port", "0"]);
  assertEquals(code, 1);
  assertMatch(stderr, /^leader-node: cannot listen on 192\.0\.2\.1 port 0: .*--hostname.*\n$/);
});

Deno.test("--version and --help go to stdout, with exit code 0", async () => {
  const version = await main(["--version"]);
  assertEquals([version.code, version.stderr], [0, ""]);
  assertMatch(version.stdout, /^leader-node \d+\.\d+\.\d+\n$/);
  const help = await main(["--port", "1", "--help"]);
  assertEquals([help.code, help.stderr], [0, ""]);
  assertStringIncludes(help.stdout, "--advertise-url URL");
});

Deno.test("wrong usage is one line on stderr, with exit code 2", async () => {
  const { code, stdout, stderr } = await main(["--prot", "8080"]);
  assertEquals([code, stdout], [2, ""]);
  assertEquals(stderr, `leader-node: unknown flag "--prot"; did you mean --port?\n`);
});

async function main(args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const command = new Deno.Command(Deno.execPath(), { args: ["run", "-A", "--quiet", MAIN, ...args], stdin: "null" });
  const { code, stdout, stderr } = await command.output();
  return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
}

Deno.test("a second node of the same name is warned of, once", async () => {
  await using etcd = await LocalEtcd.start();
  await using a = await TestNode.start(etcd, ["--id", "twin"]);
  await a.logs("leading");
  await using b = await TestNode.start(etcd, ["--id", "twin"]);
  const { url } = await b.logs("id-taken");
  assertEquals(url, `http://127.0.0.1:${a.port}`);
  await a.logs("id-taken");
  await a.stop();
  await b.logs("leading");
  assertEquals(b.log.filter((line) => typeof line !== "string" && line.event === "id-taken").length, 1);
});

Deno.test("two nodes of the same name and URL: each is told, and the one that leads is shown", async () => {
  await using etcd = await LocalEtcd.start();
  const flags = ["--ttl", "2", "--id", "twin", "--advertise-url", "http://Twin.invalid:8080"];
  await using a = await TestNode.start(etcd, flags);
  const { token } = await a.logs("leading");
  await using b = await TestNode.start(etcd, flags);
  await b.logs("following", { fields: { leader: "twin", token } });
  const taken = await b.logs("id-taken", { fields: { level: "error", token } });
  assertEquals(taken.url, "http://twin.invalid:8080");
  await a.logs("id-taken");
  assertEquals((await b.get("/readyz")).status, 200);
  assertEquals(JSON.parse((await b.get("/status")).body).leader, "twin");
  const doctor = await main(["doctor", "--endpoints", etcd.endpoint]);
  assertEquals(doctor.code, 1);
  assertMatch(doctor.stdout, /^FAIL {2}several candidates have the id twin: /m);
});

Deno.test("a node that comes back after a crash takes its own key for nobody's", async () => {
  await using etcd = await LocalEtcd.start();
  const flags = ["--ttl", "2", "--id", "phoenix", "--advertise-url", "http://phoenix.invalid:8080"];
  await using a = await TestNode.start(etcd, flags);
  await a.logs("leading");
  a.kill("SIGKILL");
  await using b = await TestNode.start(etcd, flags);
  await b.logs("leading");
  const events = b.log.flatMap((line) => typeof line === "string" ? [] : [line.event]);
  assert(!events.includes("id-taken") && !events.includes("following"), events.join());
});

Deno.test("an address that makes no URL is one line on stderr, with exit code 2", async () => {
  const { code, stderr } = await main(["--hostname", "fe80::1%lo", "--port", "0", "--id", "a"]);
  assertEquals([code, stderr.split(";")[0]], [2, "leader-node: the address of --hostname makes no URL"]);
});

Deno.test("a missing permission ends a node with code 2 and the flag that gives it, whatever asks for it", async () => {
  // Both transports connect, HTTP listens, and a file is read.
  const cases: [flags: string[], given: string[], wanted: string][] = [
    [["--transport", "grpc"], ["--allow-net=0.0.0.0", "--allow-read"], "net"],
    [["--transport", "gateway"], ["--allow-net=0.0.0.0", "--allow-read"], "net"],
    [[], ["--allow-read"], "net"],
    [["--control-token-file", "/etc/hosts"], ["--allow-net"], "read"],
  ];
  for (const [flags, given, wanted] of cases) {
    const permissions = ["--allow-sys=hostname", "--allow-env=LEADER_NODE_*,ETCDCTL_*,GRPC_*", ...given];
    const node = ["--port", "0", "--endpoints", "127.0.0.1:1", ...flags];
    const args = ["run", "--quiet", "--no-prompt", ...permissions, MAIN, ...node];
    await using process = Program.start(Deno.execPath(), args);
    const { code } = await within(10_000, "the node to end", process.drained);
    assertEquals(code, 2, process.output);
    assertStringIncludes(process.output, `run again with the --allow-${wanted} flag`);
  }
});

Deno.test("DENO_SERVE_ADDRESS, which would overrule --port, is refused in a line", async () => {
  const env = { DENO_SERVE_ADDRESS: `tcp:127.0.0.1:${freePort()}` };
  const args = ["run", "-A", "--quiet", MAIN, "--port", `${freePort()}`];
  await using node = Program.start(Deno.execPath(), args, { env });
  const { code } = await within(10_000, "the node to end", node.drained);
  const line = "leader-node: DENO_SERVE_ADDRESS is set, which overrides --port and --hostname; unset it\n";
  assertEquals([code, node.output], [1, line]);
});

Deno.test("what is on this machine is not asked through a proxy", async () => {
  await using etcd = await LocalEtcd.start();
  const nowhere = "http://127.0.0.1:1";
  const env = { HTTP_PROXY: nowhere, HTTPS_PROXY: nowhere, ALL_PROXY: nowhere, NO_PROXY: "", no_proxy: "" };
  for (const transport of ["grpc", "gateway"]) {
    const flags = ["--transport", transport, "--election", transport];
    await using a = await TestNode.start(etcd, flags, { env });
    await a.logs("leading");
    const args = ["run", "-A", "--quiet", MAIN, "status", "--endpoints", etcd.endpoint, ...flags];
    const { code, stdout, stderr } = await Program.run(Deno.execPath(), args, { env });
    assertEquals([code, stdout.includes("follower"), stdout.includes(" ms ")], [0, false, true], stdout + stderr);
  }
});

Deno.test("a watchdog or a command without the permissions that it needs is refused in a line", async () => {
  const cases: [what: string, permissions: string[], flags: string[]][] = [
    ["a watchdog", ["--permission-set=node"], ["--watchdog"]],
    ["a command", ["--permission-set=node"], ["--", "true"]],
  ];
  // Without one of them, Deno reads nothing in /proc.
  if (Deno.build.os === "linux") {
    cases.push(["a command", ["-A", "--deny-ffi"], ["--", "true"]]);
    cases.push(["a command", ["-A", "--deny-read=/nowhere"], ["--", "true"]]);
  }
  for (const [what, permissions, flags] of cases) {
    const main = fileURLToPath(new URL("../main.ts", import.meta.url));
    const args = ["run", "--quiet", "--no-prompt", ...permissions, main, "--port", "0", ...flags];
    const signal = AbortSignal.timeout(30_000);
    const { code, stderr } = await new Deno.Command(Deno.execPath(), { args, env: { NO_COLOR: "1" }, signal }).output();
    const said = new TextDecoder().decode(stderr).split("\n").filter((line) => line.startsWith("leader-node"));
    assertEquals([code, said], [2, [`leader-node: ${what} requires more Deno permissions; use deno run -A`]]);
  }
});

import { assert, assertEquals, assertGreater, assertMatch, assertStringIncludes } from "@std/assert";
import { LocalEtcd } from "../dev/local_etcd.ts";
import { type Config, readNodeConfig } from "../cli/node_flags.ts";
import { Program } from "../dev/program.ts";
import { cpuMs } from "../dev/process_stats.ts";
import type { ElectionEvent, ElectionOptions } from "../election/mod.ts";
import { agree, Candidate, stopAll } from "./support/candidate.ts";
import { Certificates } from "./support/certificates.ts";
import { TestNode } from "./support/node.ts";
import { Proxy } from "./support/proxy.ts";
import { transport } from "./support/transport.ts";
import { follows, leads, within } from "./support/until.ts";
import { askForUsers } from "./support/users.ts";
import { linuxTest as test } from "./support/systems.ts";

/** What a candidate with these options is told of its trouble with etcd, other than that a busy machine is slow. */
async function trouble(etcd: LocalEtcd, options: Partial<ElectionOptions>): Promise<string> {
  for (;;) {
    const message = await firstTrouble(etcd, options);
    if (!message.endsWith("does not answer")) return message;
  }
}

async function firstTrouble(etcd: LocalEtcd, options: Partial<ElectionOptions>): Promise<string> {
  const told = Promise.withResolvers<string>();
  const onEvent = (event: ElectionEvent) => event.type === "etcd-failing" && told.resolve(event.message);
  const candidate = new Candidate(etcd, "a", { ...options, onEvent });
  try {
    return await within(10_000, "to be told of the trouble", told.promise);
  } finally {
    await candidate.stop();
  }
}

Deno.test("TLS: with the right authority a candidate leads; otherwise it is told in a line why not", async () => {
  await using files = await Certificates.make();
  await files.sign("server", "localhost");
  await files.authority("other");
  await using etcd = await LocalEtcd.start({ tls: { cert: files.path("server.pem"), key: files.path("server.key") } });
  const ca = files.read("ca.pem");
  const a = new Candidate(etcd, "a", { tls: { ca } });
  await leads(a);
  await a.stop();

  const at = `etcd at localhost:${etcd.port} cannot be reached: `;
  const unsigned = "its certificate is not signed by a trusted CA, or has expired";
  assertEquals(await trouble(etcd, { tls: { ca: files.read("other.pem") } }), at + unsigned);
  assertEquals(await trouble(etcd, {}), at + unsigned);
  // What follows is gRPC's: by HTTP, certificates are for the endpoint, be it a name or an IP address.
  const transport = "grpc";
  assertEquals(
    await trouble(etcd, { transport, tls: { ca, serverName: "elsewhere" } }),
    `${at}its certificate is for another host name`,
  );
  const endpoints = [`https://127.0.0.1:${etcd.port}`];
  assertStringIncludes(
    await trouble(etcd, { transport, endpoints, tls: { ca } }),
    "TLS needs a host name as the endpoint",
  );
  const b = new Candidate(etcd, "b", { transport, endpoints, tls: { ca, serverName: "localhost" } });
  await leads(b);
  await b.stop();
});

Deno.test("TLS: --cacert replaces the authorities that the runtime trusts", async () => {
  await using files = await Certificates.make();
  await files.authority("other");
  await files.sign("server", "localhost", { ca: "other" });
  await using etcd = await LocalEtcd.start({ tls: { cert: files.path("server.pem"), key: files.path("server.key") } });
  const env = { DENO_CERT: files.path("other.pem") };
  await using a = await TestNode.start(etcd, ["--transport", "gateway"], { env });
  await a.logs("leading");
  await using b = await TestNode.start(etcd, ["--transport", transport, "--cacert", files.path("ca.pem")], { env });
  const { message } = await b.logs("etcd-failing");
  assertStringIncludes(String(message), "its certificate is not signed by a trusted CA");
});

Deno.test("TLS: an expired certificate of etcd is named", async () => {
  await using files = await Certificates.make();
  await files.sign("server", "localhost", { days: -1 });
  await using etcd = await LocalEtcd.start({ tls: { cert: files.path("server.pem"), key: files.path("server.key") } });
  assertMatch(await trouble(etcd, { tls: { ca: files.read("ca.pem") } }), /has expired$/);
});

Deno.test("TLS: an etcd that wants client certificates lets in those that it trusts", async () => {
  await using files = await Certificates.make();
  await files.authority("other");
  await files.sign("server", "localhost");
  await files.sign("client", "client");
  await files.sign("stranger", "client", { ca: "other" });
  const tls = { cert: files.path("server.pem"), key: files.path("server.key"), clientCa: files.path("ca.pem") };
  await using etcd = await LocalEtcd.start({ tls });
  const ca = files.read("ca.pem");
  const cert = (name: string, key = name) => ({ ca, cert: files.read(`${name}.pem`), key: files.read(`${key}.key`) });
  const a = new Candidate(etcd, "a", { tls: cert("client") });
  await leads(a);
  await a.stop();
  assertMatch(await trouble(etcd, { tls: { ca } }), /client certificate/);
  assertMatch(await trouble(etcd, { tls: cert("stranger") }), /client certificate/);
  assertMatch(await trouble(etcd, { tls: cert("client", "stranger") }), /do not match/);
});

const PERMISSION = { user: "worker", kind: "readwrite", prefix: "jobs/" } as const;

/** An etcd with a root user, and a user `worker` that may do all under `jobs/`. */
async function withUsers(): Promise<LocalEtcd> {
  const etcd = await LocalEtcd.start();
  await askForUsers(etcd, PERMISSION);
  return etcd;
}

const USER = { name: "worker", password: "secret" };

Deno.test("passwords: the right one leads, also after etcd has forgotten its tokens", async () => {
  await using etcd = await withUsers();
  const [a, b] = [new Candidate(etcd, "a", { user: USER }), new Candidate(etcd, "b", { user: USER })];
  let leader = await agree([a, b]);
  for (const signal of ["SIGTERM", "SIGKILL"] as const) {
    await etcd.stop(signal);
    await etcd.start();
    leader = await agree([a, b]);
  }
  const follower = leader === a ? b : a;
  await leader.stop();
  await leads(follower);
  await follower.stop();
});

Deno.test("passwords: who waited until its token was too old takes over; so does one from before etcd had users, or others", async () => {
  await using files = await Certificates.make();
  const jwt = `jwt,sign-method=ES256,pub-key=${files.path("ca.pem")},priv-key=${files.path("ca.key")},ttl=2s`;
  await using etcd = await LocalEtcd.start({ flags: ["--auth-token", jwt] });
  const post = async (path: string, body: unknown, headers = {}) => {
    const init = { method: "POST", headers, body: JSON.stringify(body) };
    return await (await fetch(`${etcd.endpoint}/v3/${path}`, init)).json();
  };
  const a = new Candidate(etcd, "a", { user: USER, ttlSeconds: 60 });
  await leads(a);
  const b = new Candidate(etcd, "b", { user: USER, ttlSeconds: 60 });
  await follows(b, "a");
  await askForUsers(etcd, PERMISSION);
  await a.resign();
  await leads(b);
  await follows(a, "b");
  const { token } = await post("auth/authenticate", USER);
  const accepted = async () =>
    (await post("kv/range", { key: btoa("jobs/") }, { authorization: token })).code === undefined;
  while (await accepted()) await new Promise((resolve) => setTimeout(resolve, 100));
  await b.resign();
  await leads(a);
  await follows(b, "a");
  await etcd.ctl("--user", "root:rootpw", "user", "add", "another:pw");
  await a.resign();
  await leads(b);
  await stopAll([a, b]);
  const metrics = await (await fetch(`${etcd.endpoint}/metrics`)).text();
  const refused = /^grpc_server_handled_total\{grpc_code="Unauthenticated",grpc_method="Txn".* (\d+)$/m.exec(metrics)
    ?.[1];
  assertGreater(20, Number(refused ?? 0), "nobody asks again and again with a token that was refused");
});

Deno.test("passwords: a leader that may no longer ask gives way to one that may", async () => {
  await using etcd = await withUsers();
  const root = ["--user", "root:rootpw"];
  await etcd.ctl(...root, "user", "add", "other:secret");
  await etcd.ctl(...root, "user", "grant-role", "other", "limited");
  const a = new Candidate(etcd, "a", { user: USER, ttlSeconds: 2 });
  await leads(a);
  const b = new Candidate(etcd, "b", { user: { ...USER, name: "other" }, ttlSeconds: 2 });
  await follows(b, "a");
  await etcd.ctl(...root, "user", "revoke-role", "worker", "limited");
  await leads(b, 20_000);
  await stopAll([a, b]);
});

Deno.test("passwords: the wrong one, none, or no permission is named", async () => {
  await using etcd = await withUsers();
  const at = `etcd at 127.0.0.1:${etcd.port} returned an error: `;
  assertEquals(
    await trouble(etcd, { user: { ...USER, password: "guessed" } }),
    `${at}authentication failed, invalid user ID or password`,
  );
  assertEquals(await trouble(etcd, {}), `${at}user name is empty`);
  assertEquals(await trouble(etcd, { user: USER, name: "elsewhere" }), `${at}permission denied`);
});

Deno.test("a node is let in by files and environment, says why not in readyz, and shows no secret", async () => {
  await using files = await Certificates.make();
  await files.sign("server", "localhost");
  await Deno.writeTextFile(files.path("password"), "secret\n");
  const flags = ["--user", "worker", "--password-file", files.path("password")];
  const env = { ETCDCTL_CACERT: files.path("ca.pem") };
  const tls = { cert: files.path("server.pem"), key: files.path("server.key") };
  await using open = await LocalEtcd.start({ tls });
  // This etcd does not ask for users yet: those who name one can go first.
  await using a = await TestNode.start(open, [...flags, "--cacert", files.path("ca.pem")]);
  await a.logs("leading");
  await using b = await TestNode.start(open, [], { env });
  await b.logs("following");

  await using etcd = await withUsers();
  await using c = await TestNode.start(etcd, [...flags, "--election", "jobs"]);
  await c.logs("leading");
  await using d = await TestNode.start(etcd, [...flags, "--election", "elsewhere"]);
  const { message } = await d.logs("etcd-failing");
  // On a busy machine it may be that etcd was slow at first.
  assertMatch(String(message), /permission denied|does not answer/);
  let { status, body } = await d.get("/readyz?verbose");
  while (!body.includes("permission denied")) ({ status, body } = await d.get("/readyz?verbose"));
  assertEquals(status, 503);
  assertStringIncludes(body, "[-] etcd has not answered yet: etcd at 127.0.0.1");
  assert(!JSON.stringify([a.log, b.log, c.log, d.log, body]).includes("secret"));
});

/** What a process holds, and for how long it has computed. */
function footprint(pid: number): { files: number; cpuMs: number } {
  return { files: [...Deno.readDirSync(`/proc/${pid}/fd`)].length, cpuMs: cpuMs(pid) };
}

test("a wrong authority is tried again for ever, without leaking or spinning", async () => {
  await using files = await Certificates.make();
  await files.sign("server", "localhost");
  await files.authority("other");
  const tls = { cert: files.path("server.pem"), key: files.path("server.key") };
  await using etcd = await LocalEtcd.start({ tls });
  await using proxy = new Proxy(etcd.port);
  const flags = ["--cacert", files.path("other.pem")];
  await using node = await TestNode.start({ endpoint: `https://localhost:${proxy.port}` }, flags);
  await settlesDown(node, () => proxy.accepts(8));
});

test("a wrong password is tried again for ever, without leaking or spinning, until it is right", async () => {
  await using files = await Certificates.make();
  await Deno.writeTextFile(files.path("password"), "guessed");
  await using etcd = await withUsers();
  const flags = ["--user", "worker", "--password-file", files.path("password"), "--election", "jobs"];
  await using node = await TestNode.start(etcd, flags);
  const refused = async () => {
    const text = await (await fetch(`${etcd.endpoint}/metrics`)).text();
    const counts = text.matchAll(/^grpc_server_handled_total\{grpc_code="[^"]+",grpc_method="Authenticate".* (\d+)$/gm);
    return [...counts].reduce((sum, [, count]) => sum + Number(count), 0);
  };
  await settlesDown(node, async () => {
    const enough = await refused() + 8;
    while (await refused() < enough) await new Promise((resolve) => setTimeout(resolve, 100));
  });
  const root = ["--user", "root:rootpw", "user"];
  await etcd.ctl(...root, "delete", "worker");
  await etcd.ctl(...root, "add", "worker:guessed");
  await etcd.ctl(...root, "grant-role", "worker", "limited");
  await node.logs("leading");
});

/** Fails if a node that tries again and again, as `rounds` waits for, takes more and more files, or computes all the time. */
async function settlesDown(node: TestNode, rounds: () => Promise<void>): Promise<void> {
  await rounds();
  const [before, from] = [footprint(node.pid), performance.now()];
  await rounds();
  const after = footprint(node.pid);
  assert(after.files <= before.files + 4, `${before.files} open files became ${after.files}`);
  const busy = (after.cpuMs - before.cpuMs) / (performance.now() - from);
  assert(busy < 0.5, `it computed for ${Math.round(100 * busy)} % of the time`);
}

for (const access of ["client certificates", "a password"]) {
  Deno.test(`a watchdog frees the lead of a node that died, with ${access}`, async () => {
    await using files = await Certificates.make();
    await files.sign("server", "localhost");
    await files.sign("client", "client");
    await Deno.writeTextFile(files.path("password"), "secret");
    const tls = { cert: files.path("server.pem"), key: files.path("server.key"), clientCa: files.path("ca.pem") };
    const withPassword = access === "a password";
    await using etcd = withPassword ? await withUsers() : await LocalEtcd.start({ tls });
    const flags = withPassword
      ? ["--user", "worker", "--password-file", files.path("password"), "--election", "jobs"]
      : ["--cacert", files.path("ca.pem"), "--cert", files.path("client.pem"), "--key", files.path("client.key")];
    await using a = await TestNode.start(etcd, [...flags, "--ttl", "60", "--watchdog"]);
    await a.logs("leading");
    await using b = await TestNode.start(etcd, [...flags, "--ttl", "60"]);
    await b.logs("following");
    a.kill("SIGKILL");
    await b.logs("leading");
    await a.logs("lease-revoked");
  });
}

Deno.test("certificates are rotated, all at once: nodes and a watchdog go on with the new ones; a half-written file is named", async () => {
  await using files = await Certificates.make();
  const sign = async () => {
    await files.authority("ca");
    await files.sign("server", "localhost");
    await files.sign("client", "client");
  };
  await sign();
  const tls = { cert: files.path("server.pem"), key: files.path("server.key"), clientCa: files.path("ca.pem") };
  await using etcd = await LocalEtcd.start({ tls });
  const flags = [
    "--cacert",
    files.path("ca.pem"),
    "--cert",
    files.path("client.pem"),
    "--key",
    files.path("client.key"),
  ];
  await using a = await TestNode.start(etcd, [...flags, "--ttl", "60", "--watchdog"]);
  const { token } = await a.logs("leading");
  await using b = await TestNode.start(etcd, [...flags, "--ttl", "60"]);
  await b.logs("following");

  await sign();
  const key = files.read("client.key");
  await Deno.writeTextFile(files.path("client.key"), key.slice(0, 100));
  await etcd.stop();
  await etcd.start();
  const problem = `cannot read the credentials for etcd: ${files.path("client.key")} is not a complete PEM file`;
  const message = `${problem}; retrying until it answers`;
  await Promise.all([a, b].map((node) => node.logs("etcd-failing", { fields: { message } })));
  await Deno.writeTextFile(files.path("client.key"), key);
  await Promise.all([a, b].map((node) => node.logs("etcd-answers")));
  assertEquals(JSON.parse((await a.get("/status")).body).token, token);

  a.kill("SIGKILL");
  await b.logs("leading");
  await a.logs("lease-revoked");
});

Deno.test("a password is changed: nodes and a watchdog go on with the one in the file", async () => {
  await using files = await Certificates.make();
  await Deno.writeTextFile(files.path("password"), "secret");
  await using etcd = await withUsers();
  const flags = ["--user", "worker", "--password-file", files.path("password"), "--election", "jobs", "--ttl", "15"];
  await using a = await TestNode.start(etcd, [...flags, "--watchdog"]);
  const { token } = await a.logs("leading");
  await using b = await TestNode.start(etcd, flags);
  await b.logs("following");

  const root = ["--user", "root:rootpw", "user"];
  await etcd.ctl(...root, "delete", "worker");
  await etcd.ctl(...root, "add", "worker:rotated");
  await etcd.ctl(...root, "grant-role", "worker", "limited");
  await Promise.all([a, b].map((node) => node.logs("etcd-failing")));
  await Deno.writeTextFile(files.path("password"), "rotated");
  await Promise.all([a, b].map((node) => node.logs("etcd-answers")));
  assertEquals(JSON.parse((await a.get("/status")).body).token, token);

  a.kill("SIGKILL");
  await b.logs("leading");
  await a.logs("lease-revoked");
  assert(!JSON.stringify([a.log, b.log]).includes("rotated"));
});

test("a password that can be read only once, from a pipe, is kept", async () => {
  await using files = await Certificates.make();
  const path = files.path("pipe");
  await using writer = Program.start("sh", ["-c", 'mkfifo "$0" && echo made && echo secret > "$0"', path]);
  while (!writer.output.includes("made")) await new Promise((resolve) => setTimeout(resolve, 10));
  const config = readNodeConfig(["--user", "worker", "--password-file", path], () => undefined);
  assertEquals((config as Config).etcd.user, USER);
});

Deno.test("options can be functions, which are asked again for each connection; what they throw is told", async () => {
  await using etcd = await withUsers();
  await using proxy = new Proxy(etcd.port);
  const told = Promise.withResolvers<string>();
  let [sealed, asked] = [true, 0];
  const a = new Candidate(etcd, "a", {
    endpoints: [proxy.endpoint],
    user: async () => {
      asked++;
      if (await sealed) throw new Error("the vault is sealed");
      return USER;
    },
    ttlSeconds: 60,
    onEvent: (event) => event.type === "etcd-failing" && told.resolve(event.message),
  });
  const message = await within(10_000, "the report", told.promise);
  assertEquals(message, "cannot read the credentials for etcd: the vault is sealed");
  sealed = false;
  await leads(a);
  const b = new Candidate(etcd, "b", { user: USER });
  await follows(b, "a");
  await a.sees(/^a,b$/);
  const before = asked;
  proxy.cut();
  await a.resign();
  await leads(b);
  await a.sees(/^b,a$/);
  assertGreater(asked, before);
  await stopAll([a, b]);
});

import { assert, assertEquals } from "@std/assert";
import { LocalEtcd } from "../dev/local_etcd.ts";
import type { ElectionEvent } from "../election/mod.ts";
import { Candidate } from "./support/candidate.ts";
import { Certificates } from "./support/certificates.ts";
import { Proxy } from "./support/proxy.ts";
import { follows, leads, promptly } from "./support/until.ts";
import { askForUsers } from "./support/users.ts";

// The smallest TTL for a round trip that docs/operations.md gives.
const ROUND_TRIP_MS = 600;
const TTL_SECONDS = 15;

Deno.test(`far away: with ${ROUND_TRIP_MS} ms there and back, a TTL of ${TTL_SECONDS} s is enough to lead by TLS`, async () => {
  await using files = await Certificates.make();
  await files.sign("server", "localhost");
  await using etcd = await LocalEtcd.start({ tls: { cert: files.path("server.pem"), key: files.path("server.key") } });
  await using proxy = new Proxy(etcd.port);
  proxy.delayMs = ROUND_TRIP_MS / 2;
  const far = { endpoints: [`https://localhost:${proxy.port}`], tls: { ca: files.read("ca.pem") } };
  await leadAndHandOver(etcd, far);
});

Deno.test(`far away: with ${ROUND_TRIP_MS} ms there and back, a TTL of ${TTL_SECONDS} s is enough to lead with a password`, async () => {
  await using etcd = await LocalEtcd.start();
  await askForUsers(etcd, { user: "worker", kind: "readwrite", prefix: "jobs/" });
  await using proxy = new Proxy(etcd.port);
  proxy.delayMs = ROUND_TRIP_MS / 2;
  await leadAndHandOver(etcd, { endpoints: [proxy.endpoint], user: { name: "worker", password: "secret" } });
});

/** Two far candidates: one leads, hands over, and both of them never lose touch with etcd. */
async function leadAndHandOver(etcd: LocalEtcd, far: ConstructorParameters<typeof Candidate>[2]): Promise<void> {
  const failures: string[] = [];
  const onEvent = (event: ElectionEvent) => {
    if (event.type === "etcd-failing" || event.type === "renewal-failed") failures.push(event.message);
  };
  const options = { ...far, ttlSeconds: TTL_SECONDS, onEvent };
  const a = new Candidate(etcd, "a", options);
  await leads(a, 20_000);
  const b = new Candidate(etcd, "b", options);
  await follows(b, "a", 20_000);
  await a.resign();
  await leads(b, 20_000);
  await follows(a, "b", 20_000);
  assertEquals(failures, []);
  await Promise.all([a.stop(), b.stop()]);
}

Deno.test("a network that forgets connections after 5 s of silence: a handoff is quick all the same, at any TTL", async () => {
  await using etcd = await LocalEtcd.start();
  await using proxy = new Proxy(etcd.port);
  proxy.forgetAfterMs = 5000;
  const options = { endpoints: [proxy.endpoint], ttlSeconds: 60 };
  const a = new Candidate(etcd, "a", options);
  await leads(a);
  const b = new Candidate(etcd, "b", options);
  await follows(b, "a");
  // The fault itself: nothing happens for so long that idle connections are forgotten.
  await new Promise((resolve) => setTimeout(resolve, 6500));
  await promptly(5000, "the handoff", Promise.all([a.resign(), leads(b), follows(a, "b")]));
  await Promise.all([a.stop(), b.stop()]);
});

Deno.test("connections that are closed while all is well are replaced without a warning", async () => {
  await using etcd = await LocalEtcd.start();
  await using proxy = new Proxy(etcd.port);
  const events: string[] = [];
  const onEvent = ({ type }: ElectionEvent) => events.push(type);
  const a = new Candidate(etcd, "a", { endpoints: [proxy.endpoint], ttlSeconds: 60, onEvent });
  const { term } = await leads(a);
  // One who is first leads before its watch is open.
  await a.sees(/^a$/);
  for (let round = 0; round < 3; round++) {
    const again = proxy.accepts(1);
    proxy.cut();
    await again;
    const b = new Candidate(etcd, `b${round}`);
    await a.sees(new RegExp(`^a,b${round}$`));
    await b.stop();
    await a.sees(/^a$/);
  }
  assert(!term.signal.aborted);
  assertEquals(events.filter((type) => type === "etcd-failing"), []);
  await a.stop();
});

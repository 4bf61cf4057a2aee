import { assert, assertEquals } from "@std/assert";
import { LocalEtcd } from "../dev/local_etcd.ts";
import { Candidate, joinInOrder, stopAll } from "./support/candidate.ts";
import { Proxy } from "./support/proxy.ts";
import { follows, leads, until } from "./support/until.ts";

/** A request to etcd's gateway. */
async function post({ endpoint }: LocalEtcd, path: string, body: unknown): Promise<void> {
  const response = await fetch(`${endpoint}/v3/${path}`, { method: "POST", body: JSON.stringify(body) });
  assert(response.ok, await response.text());
}

const base64 = (bytes: Uint8Array) => (bytes as Uint8Array & { toBase64(): string }).toBase64();
const text = (value: string) => base64(new TextEncoder().encode(value));

Deno.test("many large values of other programs do not keep anybody from reading the queue", async () => {
  await using etcd = await LocalEtcd.start();
  await using proxy = new Proxy(etcd.port);
  const large = base64(new Uint8Array(1_000_000).fill(120));
  for (let count = 0; count < 40; count++) {
    await post(etcd, "kv/put", { key: text(`jobs/0${String(count).padStart(3, "0")}`), value: large });
  }
  // The values alone would take longer than etcd may take to answer.
  proxy.bytesPerSecond = 20_000_000;
  const a = new Candidate(etcd, "a", { endpoints: [proxy.endpoint], ttlSeconds: 20 });
  const { leader } = await until(a, "a leader to be seen", ({ leader }) => leader !== undefined);
  assertEquals(leader!.id, "x".repeat(200) + "…");
  await a.sees(/,a$/);
  assertEquals(a.status.queue.length, 41);
  assertEquals(a.status.queue[39]!.id, "0039", "what is not read is named after its key");
  await etcd.ctl("del", "--prefix", "jobs/0");
  await leads(a);
  await a.stop();
});

Deno.test("a queue of thousands is read in pages; a leader far behind gets its name when its turn comes", async () => {
  await using etcd = await LocalEtcd.start();
  const count = 11_000;
  for (let from = 0; from < count; from += 100) {
    const success = Array.from({ length: 100 }, (_, index) => ({
      request_put: { key: text(`jobs/many/${from + index}`), value: text(`value ${from + index}`) },
    }));
    await post(etcd, "kv/txn", { success });
  }
  await post(etcd, "kv/put", { key: text("jobs/zz"), value: text("the last one") });
  const a = new Candidate(etcd, "a");
  await a.sees(/,a$/);
  const { queue } = a.status;
  assertEquals(queue.length, count + 2);
  assertEquals(queue[0]!.id, "value 0");
  assertEquals(queue[999]!.id, `value ${queue[999]!.key.slice("jobs/many/".length)}`);
  assertEquals(queue[count]!.id, "zz", "named after its key");
  await etcd.ctl("del", "--prefix", "jobs/many/");
  await follows(a, "the last one");
  await etcd.ctl("del", "jobs/zz");
  await leads(a);
  await a.stop();
});

Deno.test("a candidate whose key is no UTF-8 can be passed over in a handoff", async () => {
  await using etcd = await LocalEtcd.start();
  const [a] = await joinInOrder(etcd, "a") as [Candidate];
  await leads(a);
  const key = base64(new Uint8Array([...new TextEncoder().encode("jobs/"), 0xff, 0x00, 0xef, 0xbb, 0xbf]));
  await post(etcd, "kv/put", { key, value: text(JSON.stringify({ id: "odd", priority: 0 })) });
  await a.sees(/^a,odd$/);
  const [c] = await joinInOrder(etcd, "c") as [Candidate];
  await a.sees(/^a,odd,c$/);
  await a.resign({ to: a.status.queue[2]! });
  await leads(c);
  await c.sees(/^c,a$/);
  await stopAll([a, c]);
});

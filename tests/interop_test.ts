import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { lines } from "../dev/lines.ts";
import { LocalEtcd } from "../dev/local_etcd.ts";
import { HandoffError } from "../election/mod.ts";
import { Candidate } from "./support/candidate.ts";
import { unixTest } from "./support/systems.ts";
import { follows, leads, within } from "./support/until.ts";

/** `etcdctl elect NAME PROPOSAL`: it prints its key and its proposal when it leads, and resigns at SIGINT. */
class EtcdctlElect implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(etcd: LocalEtcd, name: string, proposal: string) {
    this.#process = etcd.command(["elect", name, proposal]).spawn();
    this.#lines = lines(this.#process.stdout)[Symbol.asyncIterator]();
  }

  /** Resolves with its key when it leads. */
  async leads(): Promise<string> {
    const key = await within(10_000, "etcdctl to lead", this.#lines.next());
    await this.#lines.next();
    return key.value;
  }

  async resign(): Promise<void> {
    this.#process.kill("SIGINT");
    await this.#process.status;
    while (!(await this.#lines.next()).done);
    await this.#process.stderr.cancel();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.resign().catch(() => {});
  }
}

unixTest("etcdctl elect leads, leader-node follows it and takes over", async () => {
  await using etcd = await LocalEtcd.start();
  await using ctl = new EtcdctlElect(etcd, "jobs", "a proposal of etcdctl");
  const key = await ctl.leads();
  await using a = new Candidate(etcd, "a");
  const { leader } = await follows(a, "a proposal of etcdctl");
  assertEquals(leader?.url, undefined);
  assertMatch(key, /^jobs\/[0-9a-f]+$/);
  assertEquals(a.status.queue[0]?.key, key);
  await ctl.resign();
  await leads(a);
});

unixTest("leader-node leads, etcdctl elect waits for it and takes over", async () => {
  await using etcd = await LocalEtcd.start();
  await using a = new Candidate(etcd, "a");
  await leads(a);
  await using ctl = new EtcdctlElect(etcd, "jobs", "a proposal of etcdctl");
  await a.sees(/^a,a proposal of etcdctl$/);
  await a.resign();
  await ctl.leads();
  await follows(a, "a proposal of etcdctl");
  await ctl.resign();
  await leads(a);
});

unixTest("etcdctl elect is not passed over at a handoff, neither by a name nor by a priority", async () => {
  await using etcd = await LocalEtcd.start();
  await using a = new Candidate(etcd, "a");
  await leads(a);
  await using ctl = new EtcdctlElect(etcd, "jobs", "a proposal of etcdctl");
  await a.sees(/^a,a proposal of etcdctl$/);
  await using b = new Candidate(etcd, "b", { candidate: { id: "b", priority: 9 } });
  await a.sees(/,b$/);
  await assertRejects(
    () => a.resign({ to: a.status.queue[2] }),
    HandoffError,
    "a candidate of another program is queued before it",
  );
  await a.resign();
  await ctl.leads();
  await ctl.resign();
  await leads(b);
});

Deno.test("etcdctl elect --listen is told of our leaders", async () => {
  await using etcd = await LocalEtcd.start();
  const listener = etcd.command(["elect", "--listen", "jobs"]).spawn();
  const heard = lines(listener.stdout)[Symbol.asyncIterator]();
  await using a = new Candidate(etcd, "a");
  await leads(a);
  const key = await within(10_000, "etcdctl to hear of the leader", heard.next());
  assertEquals(key.value, `jobs/${a.status.lease?.id}`);
  assertEquals(JSON.parse((await heard.next()).value).id, "a");
  listener.kill("SIGKILL");
  await listener.status;
  while (!(await heard.next()).done);
  await listener.stderr.cancel();
});

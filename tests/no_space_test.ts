import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { LocalEtcd } from "../dev/local_etcd.ts";
import { HandoffError } from "../election/mod.ts";
import { type Candidate, joinInOrder, stopAll } from "./support/candidate.ts";
import { isLeader, leads } from "./support/until.ts";
import { linuxTest as test } from "./support/systems.ts";

test("etcd without space: a handoff to one that is not next is refused, and the leader stays", async () => {
  await using etcd = await LocalEtcd.start({ flags: ["--quota-backend-bytes", String(1024 * 1024)] });
  const [a, b, c] = await joinInOrder(etcd, "a", "b", "c") as [Candidate, Candidate, Candidate];
  await leads(a);
  await a.sees(/^a,b,c$/);
  const { term } = a.state as { term: { signal: AbortSignal } };
  await fill(etcd);
  const { queue } = a.status;
  const error = await assertRejects(() => a.resign({ to: queue[2]! }), HandoffError);
  assertStringIncludes(error.message, "database space exceeded");
  assertEquals([error.candidate, isLeader(a.state), term.signal.aborted, a.queue], ["c", true, false, "a,b,c"]);
  // Without a name, whoever is next may lead: that needs no space.
  a.resign();
  await leads(b);
  await stopAll([a, b, c]);
});

/** Writes until etcd refuses to. */
async function fill({ endpoint }: LocalEtcd): Promise<void> {
  for (let count = 0;; count++) {
    const body = JSON.stringify({ key: btoa(`other/${count}`), value: btoa("x".repeat(100_000)) });
    const response = await fetch(`${endpoint}/v3/kv/put`, { method: "POST", body });
    const text = await response.text();
    if (response.ok) continue;
    assertStringIncludes(text, "database space exceeded");
    return;
  }
}

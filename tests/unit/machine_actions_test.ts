import { assert, assertEquals } from "@std/assert";
import * as machine from "../../election/machine/mod.ts";
import { KEY, later, LEASE, me, Node, other, TOKEN, TTL } from "../support/machine_node.ts";

const ASKED = 8000;
/** Less than was asked for, and as much. */
const GRANTED = [3000, ASKED];

Deno.test("each call says for which lease, key and token it is, and may take a quarter of the granted TTL", () => {
  const [ttlMs, timeoutMs] = [3000, 750];
  const node = new Node({ ttlMs: ASKED });
  assertEquals(node.actions(), [
    { type: "watch", generation: 1 },
    { type: "grant", ttlMs: ASKED, timeoutMs: 1000 },
  ]);
  node.send({ type: "granted", sentAt: node.clock.now(), leaseId: LEASE, ttlMs });
  assertEquals(node.actions(), [{ type: "enqueue", leaseId: LEASE, key: KEY, timeoutMs }]);
  node.send({ type: "enqueued", leaseId: LEASE, token: TOKEN, first: "jobs/0" });
  node.list([me, { ...later, priority: 0 }], 15n);
  const renew = { type: "renew", leaseId: LEASE, timeoutMs } as const;
  const guard = { type: "guard", leaseId: LEASE, key: KEY, token: TOKEN, asFirst: true, timeoutMs } as const;
  assertEquals(node.actions(), [guard]);
  node.guarded();
  node.pass(1000);
  assertEquals(node.actions(), [renew, guard]);
  node.renewed({ ttlMs });
  node.guarded();
  node.send({ type: "resign" });
  assertEquals(node.actions(), [{ type: "drain", leaseId: LEASE }]);
  node.send({ type: "drained", leaseId: LEASE });
  const handoff = { to: { ...later, priority: 0 }, passed: [] };
  const withdraw = {
    type: "withdraw",
    leaseId: LEASE,
    key: KEY,
    token: TOKEN,
    leaving: "resigned",
    timeoutMs,
  } as const;
  assertEquals(node.actions(), [{ ...withdraw, handoff }]);
  node.send({ type: "withdraw-failed", leaseId: LEASE });
  node.pass(100);
  assertEquals(node.actions(), [{ ...withdraw, handoff }], "the second try is the first one again");
});

Deno.test("a lease whose key is gone is revoked, and the call may take a quarter of the granted TTL", () => {
  const losses: ((node: Node) => void)[] = [
    (node) => node.deleted(KEY, 20n),
    (node) => node.guarded({ held: false, revision: 20n }),
  ];
  for (const lose of losses) {
    const node = new Node().lead({ ttlMs: 2000 });
    lose(node);
    assertEquals(node.actions()[0], { type: "revoke", leaseId: LEASE, timeoutMs: 500 });
    const leaving = new Node({ drainMs: TTL }).lead({ ttlMs: 2000 });
    leaving.send({ type: "resign" });
    leaving.did();
    lose(leaving);
    assertEquals(leaving.actions()[0], { type: "revoke", leaseId: LEASE, timeoutMs: 500 });
  }
});

Deno.test("a lease that may have ended says which work must end", () => {
  const node = new Node().lead();
  node.pass(4951);
  assertEquals(node.actions()[0], { type: "drain", leaseId: LEASE });
});

Deno.test("data that etcd lost is reported with the token and the revision that prove it", () => {
  const asked = new Node().lead();
  asked.guarded({ held: false, revision: 3n });
  assertEquals(asked.actions()[0], { type: "report-data-loss", token: TOKEN, revision: 3n });
  const told = new Node().lead();
  told.lost();
  told.pass(100);
  told.did();
  told.list([other], 5n);
  assertEquals(told.actions()[0], { type: "report-data-loss", token: TOKEN, revision: 5n });
});

Deno.test("a granted TTL that is shorter than asked for counts", () => {
  for (const ttlMs of GRANTED) {
    const node = new Node({ ttlMs: ASKED }).queue({ ttlMs });
    node.list([me], TOKEN);
    node.guarded();
    assertEquals(machine.termRemaining(node.core, node.clock.now()), 0.99 * ttlMs);
    // The stop budget is a tenth of it.
    node.clock.pass(0.89 * ttlMs - 1);
    assert(node.leads);
    node.clock.pass(2);
    assert(!node.leads);
  }
});

Deno.test("a granted TTL decides when to renew and when to ask again", () => {
  for (const ttlMs of GRANTED) {
    const node = new Node({ ttlMs: ASKED }).queue({ ttlMs });
    node.list([me], TOKEN);
    node.guarded();
    for (let round = 0; round < 3; round++) {
      node.did();
      node.wait(Math.floor(ttlMs / 3));
      node.wait(1);
      assertEquals(node.did(), ["renew", "guard"]);
      node.renewed({ ttlMs });
      node.guarded();
    }
  }
});

Deno.test("a granted TTL decides how long a guard may stay unanswered", () => {
  for (const ttlMs of GRANTED) {
    const node = new Node({ ttlMs: ASKED }).queue({ ttlMs });
    node.pass(700);
    node.list([me], TOKEN);
    for (let passed = 0; passed < ttlMs; passed += 500) {
      node.renewed({ ttlMs });
      node.pass(500);
    }
    assertEquals(node.core.campaign.stage, "queued", `TTL ${ttlMs}`);
    node.renewed({ ttlMs });
    node.pass(1);
    assertEquals(node.core.campaign.stage, "draining", `TTL ${ttlMs}`);
  }
});

Deno.test("a granted TTL decides how long the work of a term may go on", () => {
  for (const ttlMs of GRANTED) {
    for (const drainMs of [0, 60_000]) {
      const node = new Node({ ttlMs: ASKED, drainMs }).lead({ ttlMs });
      node.send({ type: "resign" });
      assertEquals(machine.drainRemaining(node.core, node.clock.now()), 0.99 * ttlMs);
    }
  }
});

Deno.test("with drainMs, what a renewal grants while the work ends counts too", () => {
  for (const ttlMs of GRANTED) {
    const node = new Node({ ttlMs: ASKED, drainMs: 60_000 }).lead();
    node.send({ type: "resign" });
    node.did();
    node.renewed({ ttlMs });
    node.guarded();
    assertEquals(machine.drainRemaining(node.core, node.clock.now()), 0.99 * ttlMs);
    node.wait(Math.floor(ttlMs / 3));
    node.wait(1);
    const timeoutMs = Math.min(1000, ttlMs / 4);
    assertEquals(node.actions(), [
      { type: "renew", leaseId: LEASE, timeoutMs },
      { type: "guard", leaseId: LEASE, key: KEY, token: TOKEN, asFirst: true, timeoutMs },
    ]);
  }
});

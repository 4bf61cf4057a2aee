import { assert, assertEquals, assertExists } from "@std/assert";
import * as machine from "../../election/machine/mod.ts";
import type { Candidate } from "../../election/machine/queue.ts";
import type { FakeClock } from "../support/clock.ts";
import { KEY, later, LEASE, me, Node, other, TOKEN, TTL } from "../support/machine_node.ts";

Deno.test("a candidate gets a lease, queues, asks etcd when it is first, and leads on its word", () => {
  const node = new Node();
  assertEquals(node.did(), ["watch", "grant"]);
  node.send({ type: "granted", sentAt: node.clock.now(), leaseId: LEASE, ttlMs: TTL });
  assertEquals(node.did(), ["enqueue"]);
  node.send({ type: "enqueued", leaseId: LEASE, token: TOKEN, first: "jobs/0" });
  assertEquals(node.did(), []);
  node.list([me, later], TOKEN);
  assertEquals(node.did(), ["guard"]);
  assert(!node.leads, "never from the watch alone");
  node.guarded();
  assert(node.leads);
  assertEquals(node.core.term?.token, TOKEN);
});

Deno.test("one who waits asks etcd only when all before it are gone", () => {
  const node = new Node().queue();
  node.list([other, me], TOKEN);
  assertEquals(machine.observedLeader(node.core)?.id, "other");
  node.did();
  node.deleted(other.key, 11n);
  assertEquals(node.did(), ["guard"]);
  assert(!node.leads);
});

Deno.test("the lead ends a stop budget before the lease, counted from the sending of the grant", () => {
  const node = new Node();
  const sentAt = node.clock.now();
  node.clock.pass(1000);
  node.send({ type: "granted", sentAt, leaseId: LEASE, ttlMs: TTL });
  node.send({ type: "enqueued", leaseId: LEASE, token: TOKEN, first: "jobs/0" });
  node.list([me], TOKEN);
  node.guarded();
  // 4950 ms from the sending, less the budget of 500 ms, of which 1000 ms have passed.
  node.clock.pass(3449);
  assert(node.leads);
  node.clock.pass(2);
  assert(!node.leads, "by the clock alone, without any event");
  node.send({ type: "tick" });
  assertEquals(node.core.term, undefined);
  assertEquals(node.core.ended, "expired");
});

Deno.test("the stop budget can be chosen", () => {
  const node = new Node({ stopBudgetMs: 2000 }).lead();
  node.clock.pass(2949);
  assert(node.leads);
  node.clock.pass(2);
  assert(!node.leads);
});

for (const [late, fresh] of [["renewed", "guarded"], ["guarded", "renewed"]] as const) {
  Deno.test(`an answer "${late}" that comes late extends the lead only from when it was sent`, () => {
    const node = new Node().lead();
    node.pass(1700);
    assertEquals(node.did(), ["renew", "guard"]);
    const sentAt = node.clock.now();
    node.clock.pass(2500);
    node[late]({ sentAt });
    node[fresh]();
    assertEquals(machine.termRemaining(node.core, node.clock.now()), 4950 - 2500);
  });
}

Deno.test("a leader renews every third of the TTL, each time with a guard", () => {
  const node = new Node().lead();
  for (let round = 0; round < 10; round++) {
    node.pass(1666);
    assertEquals(node.did(), []);
    node.pass(1);
    assertEquals(node.did(), ["renew", "guard"]);
    node.renewed();
    node.guarded();
  }
  assert(node.leads);
});

Deno.test("renewals without guards do not keep the lead: old etcd renews leases that are revoked", () => {
  const node = new Node().lead();
  for (let passed = 0; passed < 4400; passed += 200) {
    node.pass(200);
    for (const action of node.did()) {
      if (action === "renew") node.renewed();
      if (action === "guard") node.send({ type: "guard-failed", leaseId: LEASE });
    }
  }
  assert(node.leads);
  node.pass(100);
  assert(!node.leads);
});

Deno.test("guards without renewals do not keep the lead", () => {
  const node = new Node().lead();
  for (let passed = 0; passed < 4500; passed += 100) {
    node.pass(100);
    for (const action of node.did()) {
      if (action === "renew") node.send({ type: "renew-failed", leaseId: LEASE, failure: "unreachable" });
      if (action === "guard") node.guarded();
    }
  }
  assert(!node.leads);
});

Deno.test("a failed renewal is tried again after a quarter of a second", () => {
  const node = new Node().lead();
  node.pass(1700);
  node.did();
  node.send({ type: "renew-failed", leaseId: LEASE, failure: "unreachable" });
  node.pass(249);
  assertEquals(node.did(), []);
  node.pass(1);
  assertEquals(node.did(), ["renew"]);
});

Deno.test("a leader whose lease was in doubt, but surely did not run out, leads again with the same token", () => {
  const node = new Node().lead();
  node.pass(4500);
  assertEquals(node.core.ended, "expired");
  assertEquals(node.did(), ["renew", "guard"]);
  node.guarded();
  assert(!node.leads, "the lease may be gone");
  node.renewed();
  assert(node.leads);
  assertEquals(node.core.term?.token, TOKEN);
});

for (
  const [what, pass] of [
    ["ran out", (clock) => clock.pass(4951)],
    ["ran out by a wall clock that jumped", (clock) => clock.setWall(3_600_000)],
    ["ran out while the machine slept", (clock) => clock.sleep(10_000)],
  ] as [string, (clock: FakeClock) => void][]
) {
  Deno.test(`a lease that ${what} is never led on again, whatever etcd says of it`, () => {
    const node = new Node().lead();
    node.pass(1700);
    assertEquals(node.did(), ["renew", "guard"]);
    pass(node.clock);
    assert(!node.leads);
    // The answers may be seen before the time.
    node.renewed();
    node.guarded();
    assert(!node.leads);
    assertEquals(node.core.ended, "expired");
    assertEquals(node.did(), ["drain"], "its work ends before the key goes");
    node.send({ type: "drained", leaseId: LEASE });
    assertEquals(node.did(), ["withdraw"]);
    node.send({ type: "withdrawn", leaseId: LEASE });
    assertEquals(node.did(), ["grant"]);
  });
}

Deno.test("one who waits does not keep a lease that ran out, nor does one who enqueues", () => {
  const waiting = new Node().queue();
  waiting.list([other, me], TOKEN);
  waiting.did();
  waiting.pass(4951);
  waiting.send({ type: "drained", leaseId: LEASE });
  assertEquals(waiting.did(), ["drain", "withdraw"]);
  const enqueueing = new Node();
  enqueueing.send({ type: "granted", sentAt: enqueueing.clock.now(), leaseId: LEASE, ttlMs: TTL });
  enqueueing.did();
  enqueueing.clock.pass(4951);
  enqueueing.send({ type: "enqueued", leaseId: LEASE, token: TOKEN, first: "jobs/0" });
  assertEquals(enqueueing.take("withdraw").token, undefined);
});

Deno.test("a key whose lease ran out is withdrawn however long etcd is away: it is in the way of others", () => {
  const node = new Node().lead();
  node.pass(5000);
  node.send({ type: "drained", leaseId: LEASE });
  for (let round = 0; round < 10; round++) {
    assertEquals(node.did().at(-1), "withdraw");
    assertEquals(machine.isLeaving(node.core), true);
    node.send({ type: "withdraw-failed", leaseId: LEASE });
    assertEquals(machine.isLeaving(node.core), round < 2, "nobody waits for that for ever");
    node.pass(1000);
  }
  node.send({ type: "withdrawn", leaseId: LEASE });
  assertEquals(node.core.campaign.stage, "granting");
});

Deno.test("a wall clock set back neither ends nor lengthens a lead", () => {
  const node = new Node().lead();
  node.clock.setWall(-3_600_000);
  assert(node.leads);
  node.clock.pass(4449);
  assert(node.leads);
  node.clock.pass(2);
  assert(!node.leads);
});

Deno.test("a renewal that says TTL 0, or speaks of another lease, is a loss", () => {
  for (const answer of [{ ttlMs: 0 }, { leaseId: 99n }]) {
    const node = new Node().lead();
    node.renewed(answer);
    assert(!node.leads);
    assertEquals(node.core.ended, "key-gone");
    assertEquals(node.did(), ["grant"]);
  }
});

Deno.test("the TTL that etcd returns is the one that counts", () => {
  const node = new Node().lead();
  node.renewed({ ttlMs: 2000 });
  node.guarded();
  node.clock.pass(1779);
  assert(node.leads);
  node.clock.pass(2);
  assert(!node.leads);
});

Deno.test("a leader whose key is deleted stops at once and queues again with a new lease", () => {
  const node = new Node().lead();
  node.deleted(KEY, 20n);
  assert(!node.leads);
  assertEquals(node.core.ended, "key-gone");
  assertEquals(node.did(), ["revoke", "grant"]);
});

Deno.test("a guard that finds no key ends the lead, also while the watch is behind", () => {
  const node = new Node().lead();
  node.guarded({ held: false, first: undefined });
  assert(!node.leads);
  assertEquals(node.did(), ["revoke", "grant"]);
});

Deno.test("one who waits without a key is no phantom: it queues again, and never leads with the old key", () => {
  const node = new Node().queue();
  node.list([other, me], TOKEN);
  node.did();
  node.deleted(KEY, 12n);
  assertEquals(node.did(), ["revoke"]);
  node.pass(250);
  assertEquals(node.did(), ["grant"], "not at once: the key was there for a moment only");
  node.deleted(other.key, 13n);
  assertEquals(node.did(), []);
});

Deno.test("a list read before the key was created says nothing of the key; one read after it does", () => {
  const node = new Node().queue();
  node.list([other], TOKEN - 1n);
  assertEquals(node.core.campaign.stage, "queued");
  node.list([other], TOKEN);
  assertEquals(node.core.campaign.stage, "idle");
});

Deno.test("what the watch told before it broke says nothing of a key that was made after", () => {
  // An etcd that comes back without its data counts revisions from the beginning.
  const node = new Node().queue();
  node.list([me, later], 100n);
  node.send({ type: "watch", generation: node.core.watch.generation, notice: { type: "lost" } });
  node.renewed({ ttlMs: 0 });
  node.pass(250);
  node.send({ type: "granted", sentAt: node.clock.now(), leaseId: 0x2fn, ttlMs: TTL });
  node.send({ type: "enqueued", leaseId: 0x2fn, token: 2n, first: "jobs/0" });
  assertEquals(node.core.campaign.stage, "queued");
  const made: Candidate = { key: "jobs/2f", token: 2n, id: "me" };
  node.list([made], 2n);
  assertEquals(node.core.campaign.stage, "queued");
  assertEquals(node.did().at(-1), "guard");
});

Deno.test("a guard that finds somebody before us is believed, and the queue is read again", () => {
  const node = new Node().queue();
  node.list([me], TOKEN);
  node.guarded({ first: other.key });
  assert(!node.leads);
  node.did();
  node.pass(100);
  assertEquals(node.did(), ["watch"]);
});

for (const failures of [1, 5]) {
  Deno.test(`guards that find somebody before us neither put off nor close the next watch, after ${failures} failures`, () => {
    const node = new Node().lead();
    for (let failed = 1; failed < failures; failed++) {
      node.lost();
      node.pass(1000);
      node.renewed();
      node.guarded();
    }
    node.did();
    node.lost();
    let watches = 0;
    for (let passed = 0; passed < 3000; passed += 50) {
      const did = node.did();
      if (did.includes("watch")) watches++;
      if (did.includes("guard")) node.guarded({ first: other.key });
      if (did.includes("renew")) node.renewed();
      node.pass(50);
    }
    assertEquals(watches, 1, "one watch, which still has its time to read the queue");
    node.list([other, me], TOKEN);
    assertEquals(machine.observedLeader(node.core)?.id, "other");
  });
}

Deno.test("what a former watch tells is not heard", () => {
  const node = new Node().queue();
  const { generation } = node.core.watch;
  node.send({ type: "watch", generation, notice: { type: "lost" } });
  node.pass(100);
  node.send({
    type: "watch",
    generation,
    notice: { type: "listed", queue: [me], revision: TOKEN, sentAt: node.clock.now() },
  });
  assertEquals(node.core.view, undefined);
});

Deno.test("answers for a former lease are not heard", () => {
  const node = new Node().lead();
  node.deleted(KEY, 20n);
  node.renewed();
  node.guarded();
  assertEquals(node.core.campaign.stage, "granting");
  node.send({ type: "granted", sentAt: node.clock.now(), leaseId: 0x2fn, ttlMs: TTL });
  node.send({ type: "enqueued", leaseId: LEASE, token: TOKEN, first: "jobs/0" });
  assertEquals(node.core.campaign.stage, "enqueueing");
  node.send({ type: "enqueued", leaseId: 0x2fn, token: 21n, first: "jobs/0" });
  node.guarded();
  node.renewed({ ttlMs: 0 });
  assertEquals(node.core.campaign.stage, "queued");
  assert(!node.leads);
});

Deno.test("resigning stops the work, then deletes the key, then queues again", () => {
  const node = new Node().lead();
  node.send({ type: "resign" });
  assert(!node.leads);
  assertEquals(node.core.ended, "resigned");
  assertEquals(node.did(), ["drain"]);
  node.pass(1000);
  assertEquals(node.did(), [], "the key stays while somebody works");
  node.send({ type: "drained", leaseId: LEASE });
  assertEquals(node.did(), ["withdraw"]);
  node.send({ type: "withdrawn", leaseId: LEASE });
  assertEquals(node.did(), ["grant"]);
});

Deno.test("a handoff passes over others in two tries at the most, then the lead goes to whoever is next", () => {
  const node = new Node().lead();
  const [next, named] = [{ ...later, priority: 0 }, { key: "jobs/c", token: 16n, id: "named", priority: 0 }];
  node.list([me, next, named], 16n);
  node.send({ type: "resign", to: named.token });
  node.send({ type: "drained", leaseId: LEASE });
  const handoffs = [];
  for (let round = 0; round < 3; round++) {
    const withdraw = node.take("withdraw");
    handoffs.push(
      withdraw.handoff && { to: withdraw.handoff.to.id, passed: withdraw.handoff.passed.map(({ id }) => id) },
    );
    node.send({ type: "withdraw-failed", leaseId: LEASE });
    node.pass(1000);
  }
  const wanted = { to: "named", passed: ["later"] };
  assertEquals(handoffs, [wanted, wanted, undefined]);
});

Deno.test("one who waits passes over nobody when it leaves", () => {
  const node = new Node().queue();
  node.list([{ ...other, priority: 0 }, { ...me, priority: 0 }, { ...later, priority: 5 }], 15n);
  node.send({ type: "stop" });
  node.send({ type: "drained", leaseId: LEASE });
  assertEquals(node.take("withdraw").handoff, undefined);
});

Deno.test("a key that goes says why, if it led", () => {
  for (const [to, leaving] of [[undefined, "resigned"], [later.token, "switchover"]] as const) {
    const node = new Node().lead();
    node.list([{ ...me, priority: 0 }, { ...later, priority: 0 }], 15n);
    node.send({ type: "resign", to });
    node.send({ type: "drained", leaseId: LEASE });
    const withdraw = node.take("withdraw");
    assertEquals([withdraw.leaving, withdraw.handoff?.to.id], [leaving, "later"]);
  }
  const waiting = new Node().queue();
  waiting.send({ type: "stop" });
  waiting.send({ type: "drained", leaseId: LEASE });
  assertEquals(waiting.take("withdraw").leaving, undefined);
});

Deno.test("one who is not answered whether it leads gives its place up after a TTL, though its lease is renewed", () => {
  for (const node of [new Node().lead(), new Node().queue()]) {
    node.list([me, later], 15n);
    const refused = () => node.send({ type: "guard-failed", leaseId: LEASE });
    refused();
    for (let passed = 0; passed < 2 * TTL && node.core.campaign.stage === "queued"; passed += 500) {
      node.pass(500);
      node.renewed();
      refused();
    }
    assertEquals(node.core.campaign.stage, "draining");
    assert(!node.leads);
  }
  const hesitant = new Node().queue();
  hesitant.list([me, later], 15n);
  for (let passed = 0; passed < 2 * TTL; passed += 500) {
    hesitant.send({ type: "guard-failed", leaseId: LEASE });
    hesitant.pass(500);
    hesitant.renewed();
    if (passed % 2000 === 0) hesitant.guarded();
  }
  assertEquals(hesitant.core.campaign.stage, "queued", "an answer now and then will do");
});

Deno.test("work that does not end has no time left when the lease may have ended, and is waited for one TTL more", () => {
  const node = new Node().lead();
  node.send({ type: "resign" });
  node.did();
  node.pass(4950);
  // Perhaps only by a wall clock that was set ahead: then the key is still there, and nobody leads before it goes.
  assertEquals([node.did(), machine.drainRemaining(node.core, node.clock.now())], [[], 0]);
  node.clock.setWall(-3_600_000);
  assertEquals(machine.drainRemaining(node.core, node.clock.now()), 0);
  node.pass(4949);
  assertEquals(node.did(), []);
  node.pass(2);
  assertEquals(node.did(), ["withdraw"]);
});

Deno.test("with drainMs, the lease is renewed while the work ends, and given back when it has ended", () => {
  const node = new Node({ drainMs: 6000 }).lead();
  const left = () => machine.drainRemaining(node.core, node.clock.now());
  node.send({ type: "resign" });
  node.did();
  node.pass(1700);
  assertEquals(node.did(), ["renew", "guard"]);
  node.renewed();
  assert(left() < 3500, "a renewal alone is not enough");
  node.guarded();
  assert(left() > 4900);
  assert(!node.leads);
  node.pass(4000);
  assertEquals(node.did(), ["renew", "guard"]);
  node.renewed();
  node.guarded();
  node.pass(4000);
  assertEquals(node.did(), [], "the time for that is over");
  node.send({ type: "drained", leaseId: LEASE });
  assertEquals(node.did(), ["withdraw"]);
});

Deno.test("a lease that is kept for the work, and lost, leaves it no time", () => {
  const lapses: ((node: Node) => void)[] = [
    (node) => node.pass(4951),
    (node) => {
      // Answers that come when it has run out are too late, even if they are seen first.
      node.clock.pass(4951);
      node.renewed();
      node.guarded();
    },
  ];
  const losses: ((node: Node) => void)[] = [
    (node) => node.deleted(KEY, 20n),
    (node) => node.guarded({ held: false }),
    (node) => node.guarded({ first: "jobs/1" }),
    (node) => node.renewed({ ttlMs: 0 }),
    (node) => node.send({ type: "renew-failed", leaseId: LEASE, failure: "lease-gone" }),
    ...lapses,
  ];
  for (const lose of losses) {
    const node = new Node({ drainMs: Infinity }).lead();
    node.send({ type: "resign" });
    assert(machine.drainRemaining(node.core, node.clock.now()) > 0);
    lose(node);
    assert(machine.drainRemaining(node.core, node.clock.now()) <= 0, String(lose));
    // Where the lease may be there still, the end of the work is waited for.
    assertEquals(node.core.campaign.stage === "draining", lapses.includes(lose), String(lose));
  }
});

Deno.test("a kept lease that is over by a wall clock set forward is given back when the work has ended, or after a TTL", () => {
  for (const drained of [true, false]) {
    const node = new Node({ drainMs: Infinity }).lead();
    node.send({ type: "resign" });
    node.clock.setWall(3_600_000);
    node.send({ type: "tick" });
    node.did();
    node.pass(4900);
    assertEquals(node.did(), [], "neither renewed nor given back");
    if (drained) node.send({ type: "drained", leaseId: LEASE });
    else node.pass(100);
    assertEquals(node.did(), ["withdraw"]);
  }
});

Deno.test("a renewal that is answered while the work ends does not bring the lead back", () => {
  const node = new Node().lead();
  node.pass(1700);
  node.send({ type: "resign" });
  node.renewed();
  node.guarded();
  assert(!node.leads);
  assertEquals(node.core.campaign.stage, "draining");
});

Deno.test("one who waits does not resign", () => {
  const node = new Node().queue();
  node.list([other, me], TOKEN);
  node.did();
  node.send({ type: "resign" });
  assertEquals(node.core.campaign.stage, "queued");
});

Deno.test("what cannot be withdrawn is left to its lease after three tries by one who stops", () => {
  const node = new Node().lead();
  node.send({ type: "stop" });
  node.send({ type: "drained", leaseId: LEASE });
  for (let round = 0; round < 3; round++) {
    assertEquals(node.did().at(-1), "withdraw");
    node.send({ type: "withdraw-failed", leaseId: LEASE });
    node.pass(1000);
  }
  assertEquals(node.did(), []);
  assertEquals(node.core.campaign.stage, "off");
});

Deno.test("stopping gives back whatever there is, at every stage", () => {
  const idle = new Node();
  idle.send({ type: "grant-failed" });
  idle.send({ type: "stop" });
  assertEquals(idle.core.campaign.stage, "off");

  const granting = new Node();
  granting.did();
  granting.send({ type: "stop" });
  assertEquals(granting.core.campaign.stage, "granting");
  granting.send({ type: "granted", sentAt: granting.clock.now(), leaseId: LEASE, ttlMs: TTL });
  assertEquals(granting.did(), ["withdraw"]);

  const enqueueing = new Node();
  enqueueing.send({ type: "granted", sentAt: enqueueing.clock.now(), leaseId: LEASE, ttlMs: TTL });
  enqueueing.did();
  enqueueing.send({ type: "stop" });
  assertEquals(enqueueing.did(), ["withdraw"]);
  enqueueing.send({ type: "enqueued", leaseId: LEASE, token: TOKEN, first: "jobs/0" });
  enqueueing.send({ type: "withdrawn", leaseId: LEASE });
  assertEquals(enqueueing.core.campaign.stage, "off");

  const waiting = new Node().queue();
  waiting.did();
  waiting.send({ type: "stop" });
  assertEquals(waiting.did(), ["drain"]);
  waiting.send({ type: "drained", leaseId: LEASE });
  assertEquals(waiting.did(), ["withdraw"]);
  waiting.send({ type: "withdrawn", leaseId: LEASE });
  assertEquals(waiting.core.campaign.stage, "off");
  waiting.pass(10_000);
  assertEquals(waiting.did(), []);
});

Deno.test("etcd that is away is asked again and again, less often after a while", () => {
  const node = new Node();
  node.did();
  const waits = [100, 200, 400, 800, 1000, 1000];
  for (const wait of waits) {
    node.send({ type: "grant-failed" });
    node.pass(wait - 1);
    assertEquals(node.did(), []);
    node.pass(1);
    assertEquals(node.did(), ["grant"]);
  }
});

Deno.test("an enqueueing that failed is repeated with the same lease, unless that is gone", () => {
  const node = new Node();
  node.send({ type: "granted", sentAt: node.clock.now(), leaseId: LEASE, ttlMs: TTL });
  node.did();
  node.send({ type: "enqueue-failed", leaseId: LEASE, failure: "unreachable" });
  node.pass(250);
  assertEquals(node.did(), ["enqueue"]);
  node.send({ type: "enqueue-failed", leaseId: LEASE, failure: "lease-gone" });
  assertEquals(node.did(), ["grant"]);
});

Deno.test("a queue that nobody confirmed for a TTL names no leader", () => {
  const node = new Node().queue();
  node.list([other, me], TOKEN);
  node.clock.pass(TTL);
  assert(machine.viewIsCurrent(node.core, node.clock.now()));
  node.clock.pass(1);
  assert(!machine.viewIsCurrent(node.core, node.clock.now()));
});

Deno.test("a key that a crashed predecessor of the same name left is nobody's lead", () => {
  const node = new Node().queue();
  node.list([{ ...other, id: "me" }, me], TOKEN);
  assertEquals(machine.observedLeader(node.core), undefined);
  node.pass(TTL + 1000);
  node.alive();
  assertEquals(machine.observedLeader(node.core), undefined, "it may be there as long as a key without renewals can");
});

Deno.test("a key of the same name that lives longer than a predecessor's can is another node's", () => {
  const twin = { ...other, id: "me" };
  const node = new Node().queue();
  node.list([twin, me], TOKEN);
  node.pass(3 * TTL);
  assertEquals(machine.observedLeader(node.core), undefined, "nobody has asked etcd since then");
  node.alive();
  assertEquals(machine.observedLeader(node.core), twin);
  assertEquals(node.core.namesake, { candidate: twin, since: node.core.namesake!.since, lives: true });
  const next = { ...twin, key: "jobs/9", token: 9n };
  node.list([next, me], TOKEN);
  assertEquals([machine.observedLeader(node.core), node.core.namesake?.lives], [undefined, false]);
  node.list([me], TOKEN);
  assertEquals(node.core.namesake, undefined);
});

Deno.test("a key of the same name with another URL is another node's at once, wherever it stands", () => {
  const node = new Node().queue();
  node.list([me, { ...later, id: "me", url: "http://b" }], 15n);
  assertEquals(node.core.namesake?.lives, true);
});

Deno.test("a candidate's own former key is nobody's, however long it led on it", () => {
  const node = new Node().lead();
  for (let time = 0; time < 3 * TTL; time += 1000) {
    node.pass(1000);
    node.renewed();
    node.guarded();
    node.alive();
  }
  assertEquals(node.core.namesake, undefined);
  node.send({ type: "resign" });
  assertEquals(machine.observedLeader(node.core), undefined);
  node.send({ type: "drained", leaseId: LEASE });
  node.send({ type: "withdrawn", leaseId: LEASE });
  node.alive();
  assertEquals([machine.observedLeader(node.core), node.core.namesake?.lives], [undefined, false]);
});

Deno.test("an observer never asks for a lease", () => {
  const node = new Node({ candidate: false });
  node.list([other], 5n);
  node.deleted(other.key, 6n);
  node.pass(1000);
  assertEquals(node.did(), ["watch"]);
});

Deno.test("the next tick is never due in the past, and never later than the end of the lead", () => {
  const node = new Node().lead();
  for (let round = 0; round < 100; round++) {
    const wait = machine.nextTickMs(node.core, node.clock.now(), true);
    assertExists(wait);
    assert(wait > 0, "a tick that is due at once would be due for ever");
    assert(wait <= Math.max(1, machine.termRemaining(node.core, node.clock.now())));
    node.pass(wait);
    for (const action of node.did()) {
      if (action === "renew" && round < 50) node.renewed();
      if (action === "guard" && round < 50) node.guarded();
    }
    if (!node.core.term) return;
  }
});

Deno.test("a queue that was read after our key existed and is older than it ends the term: etcd lost data", () => {
  const node = new Node().lead();
  node.send({ type: "watch", generation: node.core.watch.generation, notice: { type: "lost" } });
  node.pass(100);
  node.did();
  node.list([{ ...other, token: 3n }], 3n);
  assert(!node.leads);
  assertEquals(node.core.ended, "key-gone");
  assertEquals(node.did(), ["report-data-loss", "revoke", "grant"]);
});

Deno.test("a queue that was read before our key existed says nothing of it", () => {
  const node = new Node();
  const sentAt = node.clock.now();
  node.clock.pass(1);
  node.queue().did();
  const notice = { type: "listed", queue: [], revision: TOKEN - 1n, sentAt } as const;
  node.send({ type: "watch", generation: node.core.watch.generation, notice });
  assertEquals([node.core.campaign.stage, node.did()], ["queued", []]);
});

Deno.test("a candidate that waits also begins anew when etcd lost its data", () => {
  const node = new Node().queue();
  node.list([other, me], TOKEN);
  node.pass(100);
  node.did();
  node.send({ type: "watch", generation: node.core.watch.generation, notice: { type: "lost" } });
  node.pass(100);
  node.list([], 1n);
  assertEquals(node.core.campaign.stage, "idle");
});

Deno.test("a leader that loses its watch sends a guard at once, a candidate that waits does not", () => {
  const leader = new Node().lead();
  leader.send({ type: "watch", generation: leader.core.watch.generation, notice: { type: "lost" } });
  assertEquals(leader.did(), ["guard"]);
  const waiting = new Node().queue();
  waiting.list([other, me], TOKEN);
  waiting.did();
  waiting.send({ type: "watch", generation: waiting.core.watch.generation, notice: { type: "lost" } });
  assertEquals(waiting.did(), []);
});

Deno.test("a guard that finds the key gone at a revision below it reports that etcd lost data", () => {
  const node = new Node().lead();
  node.guarded({ held: false, revision: TOKEN - 1n });
  assertEquals(node.did(), ["report-data-loss", "revoke", "grant"]);
  const deleted = new Node().lead();
  deleted.guarded({ held: false, revision: TOKEN + 1n });
  assertEquals(deleted.did(), ["revoke", "grant"]);
});

Deno.test("a leader that describes itself anew leads on, in the same term, and does nothing else", () => {
  const node = new Node().lead();
  const { term, settings } = node.core;
  node.did();
  const self = { id: "me", url: "http://new", meta: { state: "warm" } };
  node.send({ type: "described", self });
  assertEquals(node.core.settings, { ...settings, self });
  assertEquals(node.did(), []);
  assert(node.leads && node.core.term === term);
});

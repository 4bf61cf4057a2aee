/** Who may lead without asking etcd again: on the transaction that queued it, or on a guard sent while it waited. */
import { assert, assertEquals } from "@std/assert";
import * as machine from "../../election/machine/mod.ts";
import type { Candidate } from "../../election/machine/queue.ts";
import { KEY, later, LEASE, me, Node, other, second, TOKEN, TTL } from "../support/machine_node.ts";

const LEASE_MS = 0.99 * TTL;
const handed: Candidate = { ...me, after: { token: other.token, left: "resigned" } };

/** Second in the queue, with a renewal and a guard that were answered just now. */
function next(settings: Partial<machine.MachineSettings> = {}): Node {
  const node = new Node(settings).queue({ first: other.key });
  node.list([other, me, later], TOKEN);
  node.wait(TTL / 3);
  assertEquals(node.did().slice(-2), ["renew", "guard"]);
  node.renewed();
  node.guarded({ first: other.key, asFirst: false });
  node.alive();
  return node;
}

function remaining(node: Node): number {
  return machine.termRemaining(node.core, node.clock.now());
}

Deno.test("the second in the queue sends a guard with each renewal, the third does not", () => {
  const second = next();
  second.wait(TTL / 3);
  const [, guard] = second.actions();
  assert(guard?.type === "guard" && !guard.asFirst);
  const third = new Node().queue({ first: other.key });
  third.list([other, { ...later, token: 6n }, me], TOKEN);
  third.did();
  third.wait(TTL / 3);
  assertEquals(third.did(), ["renew"]);
});

Deno.test("the next in line leads at once when the leader hands over, and asks etcd at that moment", () => {
  const node = next();
  node.pass(100);
  node.did();
  node.changed([handed, later], 20n);
  assert(node.leads);
  assertEquals(node.core.term?.token, TOKEN);
  const guard = node.take("guard");
  assertEquals([guard.asFirst, guard.key, guard.token], [true, KEY, TOKEN]);
  assertEquals(remaining(node), LEASE_MS - 100);
});

for (
  const [what, queue] of [
    ["was deleted or expired", [me, later]],
    ["left, but our key names another one as the former first", [{ ...me, after: { token: 4n, left: "resigned" } }]],
    ["handed over, but the first has another token than ours", [{ ...handed, token: 11n }]],
    ["handed over, but the first has another key than ours", [{ ...handed, key: "jobs/other" }]],
  ] as [string, Candidate[]][]
) {
  Deno.test(`the next in line does not lead without asking when its predecessor ${what}`, () => {
    const node = next();
    node.changed(queue, 20n);
    assert(!node.leads);
  });
}

Deno.test("one who becomes the first without a handoff asks etcd at once, though a guard is on its way", () => {
  const node = next();
  node.wait(TTL / 3);
  assertEquals(node.did(), ["renew", "guard"]);
  node.deleted(other.key, 20n);
  assertEquals(node.take("guard").asFirst, true);
  node.guarded();
  assert(node.leads);
});

Deno.test("a term after a handoff counts from the older of the last renewal and the last guard", () => {
  const staleGuard = next();
  staleGuard.wait(TTL / 3);
  staleGuard.renewed();
  staleGuard.changed([handed], 20n);
  assertEquals(Math.round(remaining(staleGuard)), Math.round(LEASE_MS - TTL / 3));
  const staleRenewal = next();
  staleRenewal.wait(TTL / 3);
  staleRenewal.guarded({ first: other.key, asFirst: false });
  staleRenewal.changed([handed], 20n);
  assertEquals(Math.round(remaining(staleRenewal)), Math.round(LEASE_MS - TTL / 3));
});

Deno.test("a guard counts from when it was sent", () => {
  const node = new Node().queue({ first: other.key });
  node.list([other, me], TOKEN);
  node.wait(TTL / 3);
  const sentAt = node.clock.now();
  node.clock.pass(900);
  node.renewed();
  node.guarded({ first: other.key, asFirst: false, sentAt });
  node.changed([handed], 20n);
  assertEquals(remaining(node), LEASE_MS - 900);
});

Deno.test("no term begins at a handoff that is about to end: half a TTL must be left", () => {
  for (const [passed, leads] of [[LEASE_MS - TTL / 2, true], [LEASE_MS - TTL / 2 + 1, false]] as const) {
    const node = next();
    node.clock.pass(passed);
    node.changed([handed], 20n);
    assertEquals(node.leads, leads);
    assertEquals(node.take("guard").asFirst, true);
  }
});

Deno.test("no term begins at a handoff if the lease or the guard alone is too old", () => {
  const staleGuard = next();
  staleGuard.clock.pass(2000);
  staleGuard.renewed();
  staleGuard.clock.pass(1000);
  staleGuard.changed([handed], 20n);
  assert(!staleGuard.leads);
  const staleLease = next();
  staleLease.clock.pass(3000);
  staleLease.guarded({ first: other.key, asFirst: false });
  staleLease.changed([handed], 20n);
  assert(!staleLease.leads);
});

Deno.test("if the TTL is shorter than asked for, half of that must be left at a handoff", () => {
  const age = 0.99 * 3000 - 3000 / 2;
  for (const [passed, leads] of [[age, true], [age + 1, false]] as const) {
    const node = new Node().queue({ ttlMs: 3000, first: other.key });
    node.list([other, me], TOKEN);
    node.clock.pass(passed);
    node.renewed({ ttlMs: 3000 });
    node.changed([handed], 20n);
    assertEquals(node.leads, leads);
  }
});

Deno.test("the first guard that is answered after a handoff counts from when it was sent, and is the only one", () => {
  const node = next();
  node.pass(100);
  node.changed([handed], 20n);
  node.did();
  node.renewed();
  node.guarded();
  assertEquals(remaining(node), LEASE_MS);
  assertEquals(node.did(), []);
});

Deno.test("a handoff to another one is none to us", () => {
  const second = { ...later, token: 6n };
  const node = new Node().queue({ first: other.key });
  node.list([other, second, me], TOKEN);
  node.changed([{ ...second, after: handed.after }, me], 20n);
  assert(!node.leads);
});

Deno.test("the answer to a guard that was sent before the handoff is no contradiction, though it names the former leader", () => {
  const node = next();
  node.wait(TTL / 3);
  const sentAt = node.clock.now();
  node.changed([handed], 20n);
  node.guarded({ first: other.key, asFirst: false, sentAt });
  assert(node.leads);
  assert(node.core.watch.open);
  assertEquals(node.core.ended, undefined);
});

Deno.test("the answer to a guard that was sent before the handoff is no contradiction either while the work is ending", () => {
  const node = next({ drainMs: Infinity });
  node.wait(TTL / 3);
  const sentAt = node.clock.now();
  node.changed([handed], 20n);
  node.send({ type: "resign" });
  assertEquals(node.core.campaign.stage, "draining");
  node.guarded({ first: other.key, asFirst: false, sentAt });
  assertEquals(node.core.campaign.stage, "draining");
  assert(machine.drainRemaining(node.core, node.clock.now()) > 0);
});

Deno.test("a guard that was sent before the handoff and found our key gone leaves the work no time", () => {
  const node = next({ drainMs: Infinity });
  node.wait(TTL / 3);
  node.changed([handed], 20n);
  node.send({ type: "resign" });
  node.guarded({ held: false, asFirst: false, revision: 21n });
  assertEquals(machine.drainRemaining(node.core, node.clock.now()), 0);
});

Deno.test("a guard sent at the handoff that names somebody else ends the term, and what was known before counts no more", () => {
  const node = next();
  node.changed([handed, later], 20n);
  assert(node.leads);
  node.guarded({ first: "jobs/0" });
  assert(!node.leads);
  assertEquals(node.core.ended, "key-gone");
  node.pass(1000);
  node.list([handed], 21n);
  assert(!node.leads);
});

Deno.test("a guard sent at the handoff that finds our key gone ends the term", () => {
  const node = next();
  node.changed([handed], 20n);
  node.guarded({ held: false, revision: 21n });
  assert(!node.leads);
  assertEquals(node.core.ended, "key-gone");
});

Deno.test("only the last change of a message counts: a handoff to a key that is gone by its end begins no term", () => {
  const node = next();
  node.changed([handed, later], 20n, true);
  assertEquals(node.core.term, undefined);
  node.changed([later], 21n);
  assertEquals(node.core.term, undefined);
  assertEquals(node.core.ended, undefined);
  const still = next();
  still.changed([handed, later], 20n, true);
  still.changed([handed], 21n);
  assert(still.leads);
});

Deno.test("a handoff that a former watch told of begins no term before the next watch confirms it", () => {
  const node = next();
  node.changed([handed, later], 20n, true);
  node.send({ type: "watch", generation: node.core.watch.generation, notice: { type: "lost" } });
  assertEquals(node.core.term, undefined);
  node.pass(1000);
  assertEquals(node.core.term, undefined);
  node.list([handed, later], 21n);
  assert(node.leads, "what was known of the key holds whatever the watch");
});

Deno.test("without its watch, one who was handed the leadership does not lead on an earlier guard", () => {
  const node = next();
  node.clock.pass(3000);
  const sentAt = node.clock.now();
  node.renewed();
  node.changed([handed, later], 20n);
  assert(!node.leads);
  node.send({ type: "watch", generation: node.core.watch.generation, notice: { type: "lost" } });
  node.guarded({ first: other.key, asFirst: false, sentAt });
  assert(!node.leads);
});

Deno.test("who waits is not thrown out of the queue because its guards are not answered", () => {
  const node = new Node().queue({ first: other.key });
  node.list([other, me], TOKEN);
  for (let round = 0; round < 9; round++) {
    node.wait(TTL / 3 - (round && 1000));
    node.renewed();
    node.send({ type: "guard-failed", leaseId: LEASE });
    node.alive();
    node.did();
    node.pass(1000);
    assertEquals(node.did(), [], "it asks again with the next renewal");
  }
  assertEquals(node.core.campaign.stage, "queued");
});

Deno.test("while its renewal is not answered, who waits asks again a third of the granted TTL after a guard failed", () => {
  const node = new Node().queue({ ttlMs: 3000, first: other.key });
  node.list([other, me], TOKEN);
  node.pass(1000);
  node.did();
  node.pass(500);
  node.send({ type: "guard-failed", leaseId: LEASE });
  node.pass(999);
  assertEquals(node.did(), []);
  node.pass(1);
  assertEquals(node.did(), ["guard"]);
});

Deno.test("the third that becomes the second asks at once if its key is older than a third of the granted TTL", () => {
  const node = new Node().queue({ ttlMs: 3000, first: other.key });
  node.list([other, second, me], TOKEN);
  node.pass(1000);
  assertEquals(node.did().at(-1), "renew");
  node.deleted(second.key, 20n);
  assertEquals(node.did(), ["guard"]);
});

Deno.test("a lease that ran out is not led on at a handoff", () => {
  const node = next();
  node.clock.pass(LEASE_MS + 1);
  node.changed([handed], 20n);
  assert(!node.leads);
  assertEquals(node.core.campaign.stage, "draining");
});

Deno.test("a candidate whose key is the first when it is created leads at once, without a list", () => {
  const node = new Node();
  const sentAt = node.clock.now();
  node.send({ type: "granted", sentAt, leaseId: LEASE, ttlMs: TTL });
  node.clock.pass(300);
  node.send({ type: "enqueued", leaseId: LEASE, token: TOKEN, first: KEY });
  assert(node.leads);
  assertEquals(remaining(node), LEASE_MS - 300);
});

Deno.test("the transaction that queues counts from its first attempt: any of them may have created the key", () => {
  const node = new Node();
  node.send({ type: "granted", sentAt: node.clock.now(), leaseId: LEASE, ttlMs: TTL });
  node.clock.pass(1000);
  node.send({ type: "enqueue-failed", leaseId: LEASE, failure: "unreachable" });
  node.pass(250);
  assertEquals(node.did().at(-1), "enqueue");
  node.clock.pass(100);
  node.send({ type: "enqueued", leaseId: LEASE, token: TOKEN, first: KEY });
  node.renewed();
  assertEquals(remaining(node), LEASE_MS - 1350);
});

Deno.test("a leader that leaves before its first list waits for it, but not for long", () => {
  const leave = () => {
    const node = new Node().queue({ first: KEY });
    node.pass(300);
    node.did();
    node.send({ type: "resign" });
    node.send({ type: "drained", leaseId: LEASE });
    assertEquals(node.did(), ["drain"]);
    return node;
  };
  const listed = leave();
  listed.list([me, { ...later, priority: 1 }], 20n);
  assertEquals(listed.take("withdraw").handoff?.to.key, later.key);
  const unlisted = leave();
  unlisted.pass(999);
  assertEquals(unlisted.did(), []);
  unlisted.wait(1);
  assertEquals(unlisted.take("withdraw").handoff, undefined);
});

Deno.test("a leader that leaves without its watch does not wait for a list: none is on its way", () => {
  const node = new Node().queue({ first: KEY });
  node.lost();
  node.did();
  node.send({ type: "resign" });
  node.send({ type: "drained", leaseId: LEASE });
  assertEquals(node.did(), ["drain", "withdraw"]);
});

Deno.test("a TTL that is longer than asked for does not count: the next raft leader may have a shorter one", () => {
  const node = new Node();
  node.send({ type: "granted", sentAt: node.clock.now(), leaseId: LEASE, ttlMs: 3 * TTL });
  node.send({ type: "enqueued", leaseId: LEASE, token: TOKEN, first: KEY });
  assertEquals(remaining(node), LEASE_MS);
  node.pass(TTL / 3);
  node.renewed({ ttlMs: 3 * TTL });
  node.guarded();
  assertEquals(remaining(node), LEASE_MS);
});

Deno.test("a TTL that is shorter than asked for counts", () => {
  const node = new Node();
  node.send({ type: "granted", sentAt: node.clock.now(), leaseId: LEASE, ttlMs: 3000 });
  node.send({ type: "enqueued", leaseId: LEASE, token: TOKEN, first: KEY });
  assertEquals(remaining(node), 0.99 * 3000);
  node.wait(1000);
  assertEquals(node.did().slice(-2), ["renew", "guard"]);
});

Deno.test("work that is late to end is waited for as long as a lease lasts that is shorter than asked for", () => {
  const node = new Node().queue({ ttlMs: 3000, first: KEY });
  node.send({ type: "resign" });
  node.clock.sleep(10_000);
  node.send({ type: "tick" });
  node.list([me], TOKEN);
  node.did();
  node.wait(0.99 * 3000 - 1);
  assertEquals(node.did(), []);
  node.wait(1);
  assertEquals(node.did(), ["withdraw"]);
});

import { assert, assertEquals } from "@std/assert";
import * as machine from "../../election/machine/mod.ts";
import type { Candidate } from "../../election/machine/queue.ts";
import { KEY, later, LEASE, me, Node, other, TOKEN, TTL } from "../support/machine_node.ts";

const now = (node: Node) => node.clock.now();
const next: Candidate = { ...later, priority: 0 };
const best: Candidate = { key: "jobs/c", token: 16n, id: "best", priority: 5 };

/** The handoff with which a node withdraws whose work has ended. */
function handoff(node: Node): string[] | undefined {
  node.send({ type: "drained", leaseId: LEASE });
  const plan = node.take("withdraw").handoff;
  return plan && [plan.to, ...plan.passed].map(({ id }) => id);
}

Deno.test("one who is first but never led hands over only if the next leader is not the next in the queue", () => {
  const hesitant = (...queue: Candidate[]) => {
    const node = new Node().queue();
    node.list([me, ...queue], 16n);
    node.send({ type: "stop" });
    return handoff(node);
  };
  assertEquals(hesitant(next), undefined, "there is nothing to tell, and nobody to pass");
  assertEquals(hesitant(next, best), ["best", "later"]);
  assertEquals(hesitant(), undefined);
});

Deno.test("a leader tells its successor why it leaves, also when that is the next in the queue", () => {
  const node = new Node().lead();
  node.list([me, next], 15n);
  node.send({ type: "resign" });
  assertEquals(handoff(node), ["later"]);
  const alone = new Node().lead();
  alone.list([me], TOKEN);
  alone.send({ type: "resign" });
  assertEquals(handoff(alone), undefined);
});

Deno.test("a leader whose key goes while its work ends has nothing to hand over", () => {
  const node = new Node().lead();
  node.send({ type: "resign" });
  node.deleted(KEY, 20n);
  assertEquals(handoff(node), undefined);
});

Deno.test("a term that ended by the clock is nobody's to hand over: others may lead already", () => {
  const node = new Node().lead();
  node.list([me, next, best], 16n);
  node.pass(5000);
  node.send({ type: "drained", leaseId: LEASE });
  assertEquals(node.take("withdraw").leaving, undefined);
});

Deno.test("why a term ends is told: resigned or stopped", () => {
  for (const [type, reason] of [["resign", "resigned"], ["stop", "stopped"]] as const) {
    const node = new Node().lead();
    node.send({ type });
    assertEquals([node.core.ended, node.core.stopping], [reason, type === "stop"]);
  }
});

Deno.test("a candidate is leaving from its resignation until its key is gone", () => {
  const node = new Node().lead();
  assert(!machine.isLeaving(node.core));
  node.send({ type: "resign" });
  assert(machine.isLeaving(node.core), "while its work ends");
  node.send({ type: "drained", leaseId: LEASE });
  assert(machine.isLeaving(node.core), "while its key is deleted");
  node.send({ type: "withdrawn", leaseId: LEASE });
  assert(!machine.isLeaving(node.core));
});

Deno.test("who tries to withdraw for the third time is still waited for, until that fails", () => {
  const node = new Node().lead();
  node.send({ type: "resign" });
  node.send({ type: "drained", leaseId: LEASE });
  for (let round = 1; round <= 3; round++) {
    assert(machine.isLeaving(node.core), `round ${round}`);
    node.send({ type: "withdraw-failed", leaseId: LEASE });
    if (round < 3) node.pass(1000);
  }
  assert(!machine.isLeaving(node.core));
});

Deno.test("a second resignation, or a stop, changes nothing of a resignation on its way", () => {
  const node = new Node().lead();
  node.list([me, next, best], 16n);
  node.send({ type: "resign", to: next.token });
  node.did();
  node.send({ type: "resign" });
  node.send({ type: "stop" });
  assertEquals([node.did(), node.core.ended], [[], "resigned"]);
  assertEquals(handoff(node), ["later"]);
});

Deno.test("work that has ended is not waited for, and answers to others' calls do not end it", () => {
  const node = new Node().lead();
  node.send({ type: "resign" });
  node.did();
  node.send({ type: "renew-failed", leaseId: LEASE, failure: "lease-gone" });
  node.send({ type: "guard-failed", leaseId: LEASE });
  node.guarded({ held: false });
  assertEquals([node.did(), node.core.campaign.stage], [[], "draining"]);
  assertEquals(machine.drainRemaining(node.core, now(node)), 4950);
  node.send({ type: "drained", leaseId: LEASE });
  assertEquals(machine.drainRemaining(node.core, now(node)), 0);
});

Deno.test("a leader resigns also while its view does not show it as the first", () => {
  const node = new Node().lead();
  node.list([other, me], TOKEN);
  node.send({ type: "resign" });
  assertEquals([node.core.ended, node.core.campaign.stage], ["resigned", "draining"]);
});

Deno.test("the work of a term may go on until the lease ends, which counts from the last renewal", () => {
  const node = new Node().lead();
  node.clock.pass(1000);
  node.send({ type: "resign" });
  assertEquals(machine.drainRemaining(node.core, now(node)), 3950);
});

Deno.test("a term that ended by the clock has no lease that would be kept", () => {
  const node = new Node({ drainMs: 60_000 }).lead();
  node.pass(4500);
  assertEquals(node.core.ended, "expired");
  node.send({ type: "renew-failed", leaseId: LEASE, failure: "unreachable" });
  node.send({ type: "guard-failed", leaseId: LEASE });
  node.send({ type: "resign" });
  node.did();
  node.pass(300);
  assertEquals(node.did(), []);
  node.pass(150);
  assertEquals([node.did(), machine.drainRemaining(node.core, now(node))], [[], 0]);
  node.send({ type: "drained", leaseId: LEASE });
  assertEquals(node.did(), ["withdraw"]);
});

Deno.test("a kept lease that is lost is not withdrawn but forgotten: a new campaign begins", () => {
  for (const answer of [{ ttlMs: 0 }, { leaseId: 99n }]) {
    const node = new Node({ drainMs: TTL }).lead();
    node.send({ type: "resign" });
    node.did();
    node.renewed(answer);
    assertEquals(node.did(), ["grant"]);
  }
});

Deno.test("without drainMs nothing keeps the lease of a term that ended", () => {
  const node = new Node().lead();
  node.send({ type: "resign" });
  node.did();
  node.wait(4949);
  assertEquals(node.did(), []);
});

Deno.test("one who waits has no work whose lease would have to be kept", () => {
  const node = new Node({ drainMs: TTL }).queue();
  node.list([other, me], TOKEN);
  node.did();
  node.send({ type: "stop" });
  node.wait(4949);
  assertEquals(node.did(), ["drain"]);
});

Deno.test("a lease that is kept for the work has what is kept of it: calls on their way, and their time", () => {
  const node = new Node({ drainMs: 60_000 }).lead();
  node.pass(1000);
  node.guarded();
  node.pass(667);
  assertEquals(node.did(), ["renew", "guard"]);
  node.send({ type: "resign" });
  node.did();
  node.pass(700);
  assertEquals(node.did(), [], "both are on their way");
  node.send({ type: "renew-failed", leaseId: LEASE, failure: "unreachable" });
  node.send({ type: "guard-failed", leaseId: LEASE });
  node.pass(249);
  assertEquals(node.did(), []);
  node.pass(1);
  assertEquals(node.did(), ["renew", "guard"]);
  const sentAt = now(node);
  node.clock.pass(300);
  node.renewed();
  node.guarded({ sentAt });
  assertEquals(machine.drainRemaining(node.core, now(node)), 4950 - 300);
  node.renewed({ sentAt });
  node.guarded();
  assertEquals(machine.drainRemaining(node.core, now(node)), 4950 - 300);
  node.guarded({ sentAt });
  node.pass(1366);
  assertEquals(node.did(), []);
  node.pass(1);
  assertEquals(node.did(), ["renew", "guard"], "a third of the TTL after they were sent");
});

Deno.test("while the work ends, each renewal has a guard beside it, and a guard on its way is not sent again", () => {
  const node = new Node({ drainMs: 60_000 }).lead();
  node.send({ type: "resign" });
  node.pass(1000);
  node.guarded();
  node.did();
  node.pass(667);
  assertEquals(node.did(), ["renew", "guard"]);
  node.renewed();
  node.pass(1667);
  assertEquals(node.did(), ["renew"]);
});

Deno.test("while the work ends, a guard alone is due a third of the TTL after the last was sent", () => {
  const node = new Node({ drainMs: 60_000 }).lead();
  node.send({ type: "resign" });
  node.pass(1000);
  const sentAt = now(node);
  node.pass(300);
  node.guarded({ sentAt });
  node.renewed();
  node.did();
  node.pass(1366);
  assertEquals(node.did(), []);
  node.pass(1);
  assertEquals(node.did(), ["guard"]);
});

Deno.test("while the work ends, the older of the last renewal and the last guard decides how long it may take", () => {
  for (const answered of ["renewed", "guarded"] as const) {
    const node = new Node({ drainMs: 60_000 }).lead();
    node.send({ type: "resign" });
    node.clock.pass(1000);
    node[answered]();
    node.clock.pass(500);
    assertEquals(machine.drainRemaining(node.core, now(node)), 3450, answered);
  }
});

Deno.test("drainMs counts from the end of the term, and a lease is not kept longer", () => {
  const node = new Node({ drainMs: 1667 }).lead();
  node.pass(1000);
  node.renewed();
  node.guarded();
  node.alive();
  node.send({ type: "resign" });
  node.did();
  node.pass(1666);
  assertEquals(node.did(), []);
  node.pass(1);
  assertEquals(node.did(), [], "renewals are due now, and the time for them is over");
  assertEquals(machine.nextTickMs(node.core, now(node), true), 4950 - 1667);
  const longer = new Node({ drainMs: 668 }).lead();
  longer.pass(1000);
  longer.send({ type: "resign" });
  longer.did();
  longer.pass(667);
  assertEquals(longer.did(), ["renew", "guard"]);
});

Deno.test("a kept lease that may have ended is withdrawn with the reason and the successor that were chosen", () => {
  const node = new Node({ drainMs: 60_000 }).lead();
  node.list([me, best, { ...next, token: 17n }], 17n);
  node.send({ type: "resign", to: 17n });
  node.did();
  node.pass(4950);
  node.send({ type: "drained", leaseId: LEASE });
  const withdraw = node.take("withdraw");
  assertEquals([withdraw.token, withdraw.leaving, withdraw.handoff?.to.token], [TOKEN, "switchover", 17n]);
});

Deno.test("a key that was not made after all is given up without a token", () => {
  const node = new Node();
  node.send({ type: "granted", sentAt: now(node), leaseId: LEASE, ttlMs: TTL });
  node.send({ type: "stop" });
  const withdraw = node.take("withdraw");
  assertEquals([withdraw.key, withdraw.token, withdraw.handoff], [KEY, undefined, undefined]);
});

Deno.test("a guard that is answered too late gives the work no more time, though renewals were answered", () => {
  for (const [late, left] of [[4949, 4501], [4950, 0]] as const) {
    const node = new Node({ drainMs: 60_000 }).lead();
    node.send({ type: "resign" });
    for (let passed = 0; passed < 4500; passed += 500) {
      node.pass(500);
      node.renewed();
    }
    node.renewed();
    // The process is stopped, and then sees the answer before its timers.
    node.clock.pass(late - 4500);
    node.guarded();
    assertEquals(machine.drainRemaining(node.core, now(node)), left, `after ${late} ms`);
  }
});

Deno.test("while a kept lease's renewal is not answered, its next guard is due a third of the granted TTL after the last", () => {
  const node = new Node({ drainMs: 60_000 }).lead({ ttlMs: 3000 });
  node.send({ type: "resign" });
  node.guarded();
  node.pass(400);
  node.renewed({ ttlMs: 3000 });
  node.did();
  node.pass(599);
  assertEquals(node.did(), []);
  node.pass(1);
  assertEquals(node.did(), ["guard"]);
});

Deno.test("a kept lease that may have expired is not renewed any more", () => {
  const node = new Node({ drainMs: 60_000 }).lead();
  node.send({ type: "resign" });
  node.did();
  node.clock.sleep(TTL);
  node.send({ type: "tick" });
  assertEquals(node.did(), []);
});

import { assert, assertEquals } from "@std/assert";
import * as machine from "../../election/machine/mod.ts";
import { LEASE, me, Node, other, second, TOKEN, TTL } from "../support/machine_node.ts";

/** Lets time pass with the machine's own ticks: nothing happens before `ms` are over, then `actions`. */
function waits(node: Node, ms: number, actions: string[]): void {
  node.did();
  node.wait(ms - 1);
  assertEquals(node.did(), [], `before ${ms} ms`);
  node.wait(1);
  assertEquals(node.did(), actions, `after ${ms} ms`);
}

Deno.test("one who waits beside a quiet watch wakes to renew every third of the TTL", () => {
  const node = new Node().queue();
  node.list([other, second, me], TOKEN);
  for (let round = 0; round < 5; round++) {
    waits(node, 1667, ["renew"]);
    node.renewed();
  }
});

Deno.test("one whose renewal failed wakes to try again", () => {
  const node = new Node().queue();
  node.list([other, second, me], TOKEN);
  waits(node, 1667, ["renew"]);
  node.send({ type: "renew-failed", leaseId: LEASE, failure: "unreachable" });
  waits(node, 250, ["renew"]);
});

Deno.test("one whose renewal is not answered wakes to give its place up when the lease may have ended", () => {
  const node = new Node().queue();
  node.list([other, second, me], TOKEN);
  waits(node, 1667, ["renew"]);
  waits(node, 4950 - 1667, ["drain"]);
});

Deno.test("one who is first wakes to ask again when a guard failed", () => {
  const node = new Node().queue();
  node.list([me], TOKEN);
  assertEquals(node.did().at(-1), "guard");
  node.send({ type: "guard-failed", leaseId: LEASE });
  waits(node, 250, ["guard"]);
});

Deno.test("a leader whom etcd does not answer wakes to end its term a stop budget before the lease", () => {
  const node = new Node().lead();
  node.wait(4449);
  assert(node.core.term);
  node.wait(1);
  assertEquals([node.core.term, node.core.ended], [undefined, "expired"]);
});

Deno.test("a leader looks at the wall clock twice in a stop budget: no timer goes on while the machine sleeps", () => {
  const node = new Node().lead();
  assertEquals(machine.nextTickMs(node.core, node.clock.now(), true), 250);
  node.clock.pass(250);
  assert(!machine.isDue(node.core, node.clock.now()), "it only looks");
  node.clock.sleep(4500);
  assert(machine.isDue(node.core, node.clock.now()));
  node.wait(0);
  assertEquals(node.core.term, undefined);
  const waiting = new Node().queue();
  waiting.list([other, me], TOKEN);
  assert(machine.nextTickMs(waiting.core, waiting.clock.now(), true) > 1000, "one who waits has no need to");
  const unused = new Node().lead();
  assert(machine.nextTickMs(unused.core, unused.clock.now(), false) > 1000, "nor one on whose term nobody depends");
});

Deno.test("a tick is due at its moment, and not before", () => {
  const node = new Node().queue();
  const wait = machine.nextTickMs(node.core, node.clock.now(), true);
  node.clock.pass(wait - 0.5);
  assert(!machine.isDue(node.core, node.clock.now()));
  node.clock.pass(0.5);
  assert(machine.isDue(node.core, node.clock.now()));
});

Deno.test("one who could not get a lease wakes to ask for one again", () => {
  const node = new Node();
  node.send({ type: "grant-failed" });
  waits(node, 100, ["grant"]);
});

Deno.test("one who could not enqueue wakes to try again, and to give the lease back when that may have ended", () => {
  const node = new Node();
  node.send({ type: "granted", sentAt: node.clock.now(), leaseId: LEASE, ttlMs: TTL });
  node.send({ type: "enqueue-failed", leaseId: LEASE, failure: "unreachable" });
  waits(node, 250, ["enqueue"]);
  waits(node, 4950 - 250, ["withdraw"]);
});

Deno.test("work that does not end is waited for until the lease may have ended", () => {
  const node = new Node().lead();
  node.send({ type: "resign" });
  waits(node, 4950, []);
  waits(node, 4950, ["withdraw"]);
});

Deno.test("one whose key could not be deleted wakes to try again, less often after a while", () => {
  const node = new Node().lead();
  node.send({ type: "resign" });
  node.send({ type: "drained", leaseId: LEASE });
  for (const pause of [100, 200, 400, 800, 1000, 1000]) {
    node.send({ type: "withdraw-failed", leaseId: LEASE });
    waits(node, pause, ["withdraw"]);
  }
});

Deno.test("an observer wakes to open its watch again, and when its view is too old to name a leader", () => {
  const node = new Node({ candidate: false });
  node.list([other], 5n);
  assertEquals(machine.nextTickMs(node.core, node.clock.now(), true), TTL + 1);
  node.wait(1000);
  assertEquals(machine.nextTickMs(node.core, node.clock.now(), true), TTL + 1 - 1000);
  node.wait(TTL - 1000);
  assert(machine.viewIsCurrent(node.core, node.clock.now()));
  node.wait(1);
  assert(!machine.viewIsCurrent(node.core, node.clock.now()));
  assertEquals(machine.nextTickMs(node.core, node.clock.now(), true), Infinity, "only news can change anything");
  node.lost();
  waits(node, 100, ["watch"]);
});

Deno.test("a tick that is overdue is due now", () => {
  const node = new Node().lead();
  node.clock.pass(10_000);
  assertEquals(machine.nextTickMs(node.core, node.clock.now(), true), 0);
});

Deno.test("one who stops opens no watch again, and has nothing to wake for once it is off", () => {
  const node = new Node().lead();
  node.send({ type: "stop" });
  node.lost();
  node.send({ type: "drained", leaseId: LEASE });
  node.send({ type: "withdrawn", leaseId: LEASE });
  assertEquals(node.core.campaign.stage, "off");
  node.did();
  node.wait(10 * TTL);
  assertEquals(node.did(), []);
  assertEquals(machine.nextTickMs(node.core, node.clock.now(), true), Infinity);
});

Deno.test("while the work ends, its lease wakes as a leader's does, as long as drainMs allows", () => {
  const node = new Node({ drainMs: 3000 }).lead();
  node.send({ type: "resign" });
  waits(node, 1667, ["renew", "guard"]);
  node.renewed();
  node.send({ type: "guard-failed", leaseId: LEASE });
  waits(node, 250, ["guard"]);
  node.guarded();
  node.send({ type: "renew-failed", leaseId: LEASE, failure: "unreachable" });
  waits(node, 250, ["renew", "guard"]);
  node.renewed();
  node.guarded();
  assertEquals(machine.nextTickMs(node.core, node.clock.now(), true), 250);
  const left = 3000 - 1667 - 250 - 250;
  node.wait(left);
  node.did();
  // 4950 ms after the calls that were answered last.
  waits(node, 4950 - left, []);
  waits(node, 4950, ["withdraw"]);
});

Deno.test("a machine that slept while the work ended leaves it no time", () => {
  const node = new Node({ drainMs: 3000 }).lead();
  node.send({ type: "resign" });
  node.did();
  node.clock.sleep(4951);
  node.wait(250);
  node.send({ type: "drained", leaseId: LEASE });
  assertEquals(node.did(), ["withdraw"]);
});

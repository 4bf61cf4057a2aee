import { assert, assertEquals } from "@std/assert";
import * as machine from "../../election/machine/mod.ts";
import { KEY, later, LEASE, me, Node, other, second, TOKEN, TTL } from "../support/machine_node.ts";

Deno.test("a leader that hears of somebody before it stops at once, and does not lead again on what it knew", () => {
  const node = new Node().lead();
  node.guarded({ first: other.key });
  assertEquals([node.core.term, node.core.ended, node.core.campaign.stage], [undefined, "key-gone", "queued"]);
  node.renewed();
  assert(!node.leads, "the guard before that does not count any more");
  node.did();
  node.pass(250);
  assertEquals(node.did(), ["watch", "guard"], "it asks again");
  node.guarded();
  assert(node.leads);
});

Deno.test("one that hears of somebody before it is not thrown out for having asked long ago", () => {
  const node = new Node().queue();
  node.list([me], TOKEN);
  node.pass(4000);
  node.renewed();
  node.guarded({ first: other.key });
  node.pass(2000);
  assertEquals(node.core.campaign.stage, "queued");
});

Deno.test("one who is first but in doubt can resign too", () => {
  const node = new Node().queue();
  node.list([me], TOKEN);
  node.send({ type: "resign" });
  assertEquals(node.core.campaign.stage, "draining");
  node.send({ type: "drained", leaseId: LEASE });
  assertEquals(node.take("withdraw").leaving, undefined, "it did not lead");
});

Deno.test("a candidate that waits and whose key is gone, by what the watch told last, begins anew", () => {
  const node = new Node().queue();
  // Its key is made after the list, so only the revision of the change tells that it must be there.
  node.list([other], 5n);
  node.pass(1000);
  node.did();
  node.deleted("jobs/none", 20n);
  assertEquals(node.did(), ["revoke", "grant"]);
});

Deno.test("what a watch tells after it was given up for lost is not heard", () => {
  const node = new Node().queue();
  node.list([other, me], TOKEN);
  node.lost();
  node.deleted(other.key, 11n);
  assertEquals(machine.observedLeader(node.core)?.id, "other");
  node.deleted(KEY, 12n);
  assertEquals(node.core.campaign.stage, "queued");
});

Deno.test("while no watch is open, what the last one told is no reason to give a key up", () => {
  const node = new Node();
  node.list([other], TOKEN + 5n);
  node.lost();
  node.pass(1);
  node.queue();
  assertEquals(node.core.campaign.stage, "queued");
});

Deno.test("a watch that ends again and again is opened less often, until it proves to be alive", () => {
  const node = new Node({ candidate: false });
  node.did();
  const ends = (pause: number) => {
    node.lost();
    node.pass(pause - 1);
    assertEquals(node.did(), [], `${pause} ms`);
    node.pass(1);
    assertEquals(node.did(), ["watch"], `${pause} ms`);
  };
  for (const pause of [100, 200, 400, 800, 1000, 1000]) {
    ends(pause);
    node.list([other], 5n);
  }
  node.alive();
  for (const pause of [100, 200]) ends(pause);
});

Deno.test("each watch is told from all before it", () => {
  const node = new Node({ candidate: false });
  const generations = new Set([node.core.watch.generation]);
  for (let round = 0; round < 5; round++) {
    node.lost();
    node.pass(1000);
    generations.add(node.core.watch.generation);
  }
  assertEquals(generations.size, 6);
});

Deno.test("one who stops does not open a watch again", () => {
  const node = new Node().lead();
  node.send({ type: "stop" });
  node.did();
  node.lost();
  node.pass(1000);
  assertEquals(node.did(), []);
});

Deno.test("a renewal to a lease that is gone ends the term, and a new campaign begins", () => {
  const node = new Node().lead();
  node.send({ type: "renew-failed", leaseId: LEASE, failure: "lease-gone" });
  assertEquals([node.core.term, node.core.ended], [undefined, "key-gone"]);
  assertEquals(node.did(), ["grant"]);
});

Deno.test("a key that goes right after it was made is not made again at once; one that was there a while is", () => {
  for (const [age, next] of [[999, []], [1000, ["grant"]]] as [number, string[]][]) {
    const node = new Node().queue();
    node.list([other, me], TOKEN);
    node.pass(age);
    node.did();
    node.deleted(KEY, 20n);
    assertEquals(node.did(), ["revoke", ...next], `${age} ms`);
  }
});

Deno.test("each renewal of one who is first has a guard beside it, also when they fell out of step", () => {
  const node = new Node().lead();
  node.pass(1000);
  node.guarded();
  node.pass(667);
  assertEquals(node.did(), ["renew", "guard"], "the guard was not due yet");
});

Deno.test("a guard that is not answered yet is not sent again with the next renewal", () => {
  const node = new Node().lead();
  node.pass(1667);
  assertEquals(node.did(), ["renew", "guard"]);
  node.renewed();
  node.pass(1667);
  assertEquals(node.did(), ["renew"]);
});

Deno.test("the next renewal and the next guard count from when the last was sent, not from its answer", () => {
  const node = new Node().lead();
  node.pass(1667);
  const sentAt = node.clock.now();
  node.pass(900);
  node.renewed({ sentAt });
  node.guarded({ sentAt });
  node.did();
  node.pass(766);
  assertEquals(node.did(), []);
  node.pass(1);
  assertEquals(node.did(), ["renew", "guard"]);
  const waiting = new Node();
  const granted = waiting.clock.now();
  waiting.clock.pass(900);
  waiting.send({ type: "granted", sentAt: granted, leaseId: LEASE, ttlMs: TTL });
  waiting.send({ type: "enqueued", leaseId: LEASE, token: TOKEN, first: "jobs/0" });
  waiting.list([other, second, me], TOKEN);
  waiting.did();
  waiting.pass(766);
  assertEquals(waiting.did(), []);
  waiting.pass(1);
  assertEquals(waiting.did(), ["renew"], "the first renewal counts from when the grant was sent");
});

Deno.test("a guard alone is due a third of the TTL after the last was sent", () => {
  const node = new Node().lead();
  node.pass(1000);
  node.renewed();
  const sentAt = node.clock.now();
  node.pass(300);
  node.guarded({ sentAt });
  node.renewed();
  node.did();
  node.pass(1366);
  assertEquals(node.did(), []);
  node.pass(1);
  assertEquals(node.did(), ["guard"]);
});

Deno.test("a term is one object for as long as it lasts", () => {
  const node = new Node().lead();
  const { term } = node.core;
  assertEquals(term, { token: TOKEN, since: term!.since });
  for (let round = 0; round < 5; round++) {
    node.pass(1000);
    node.renewed();
    node.guarded();
    node.list([me, later], 15n);
    assert(node.core.term === term);
  }
});

Deno.test("a term began when the guard was answered", () => {
  const node = new Node().queue();
  node.list([me], TOKEN);
  const sentAt = node.clock.now();
  node.clock.pass(100);
  const now = node.clock.now();
  node.guarded({ sentAt });
  assertEquals(node.core.term?.since, now);
});

Deno.test("a leader goes on asking when its view does not show it as the first any more", () => {
  const node = new Node().lead();
  // Another etcd, or one that lags, may have been listed: only a guard decides.
  node.list([other, me], TOKEN);
  node.did();
  node.pass(1667);
  assertEquals(node.did(), ["renew", "guard"]);
  node.guarded({ first: other.key });
  assert(!node.leads);
});

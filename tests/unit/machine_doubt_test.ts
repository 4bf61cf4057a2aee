import { assert, assertEquals } from "@std/assert";
import type { Instant } from "../../election/machine/clock.ts";
import * as machine from "../../election/machine/mod.ts";
import { KEY, later, LEASE, me, Node, other, second, TOKEN, TTL } from "../support/machine_node.ts";

Deno.test("a leader that hears of somebody before it stops at once, and does not lead again on what it knew", () => {
  const node = new Node().lead();
  node.clock.pass(1000);
  const sentAt = node.clock.now();
  node.clock.pass(500);
  node.guarded({ sentAt, first: other.key });
  assertEquals([node.core.term, node.core.ended, node.core.campaign.stage], [undefined, "key-gone", "queued"]);
  node.renewed();
  assert(!node.leads, "the guard before that does not count any more");
  assertEquals(node.did(), []);
  // It reads the queue again, and asks again, counted from the answer.
  for (const [ms, action] of [[100, "watch"], [150, "guard"]] as const) {
    node.pass(ms - 1);
    assertEquals(node.did(), []);
    node.pass(1);
    assertEquals(node.did(), [action]);
  }
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
  node.clock.pass(500);
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

Deno.test("the age of a lost key is its age when the loss is heard of, not when it was asked about", () => {
  for (const [age, next] of [[999, []], [1000, ["grant"]]] as [number, string[]][]) {
    const losses: ((node: Node, sentAt: Instant) => void)[] = [
      (node, sentAt) => node.renewed({ sentAt, ttlMs: 0 }),
      (node, sentAt) => node.guarded({ sentAt, held: false, revision: 20n }),
      (node) => node.send({ type: "renew-failed", leaseId: LEASE, failure: "lease-gone" }),
    ];
    for (const lose of losses) {
      const node = new Node().queue();
      const sentAt = node.clock.now();
      node.clock.pass(age);
      node.did();
      lose(node, sentAt);
      assertEquals(node.did().filter((action) => action !== "revoke"), next, `${age} ms`);
    }
  }
});

Deno.test("a campaign after a lost one begins without its pauses", () => {
  const node = new Node().lead();
  node.deleted(KEY, 20n);
  node.did();
  node.send({ type: "grant-failed" });
  node.pass(99);
  assertEquals(node.did(), []);
  node.pass(1);
  assertEquals(node.did(), ["grant"]);
});

Deno.test("a renewal that grants little is no loss", () => {
  for (const ttlMs of [1, 1000]) {
    for (const node of [new Node().lead(), new Node({ drainMs: TTL }).lead()]) {
      if (node.core.settings.drainMs) node.send({ type: "resign" });
      const { stage } = node.core.campaign;
      node.renewed({ ttlMs });
      assertEquals(node.core.campaign.stage, stage);
    }
  }
});

Deno.test("what is answered to a call that nobody waits for changes nothing", () => {
  const nodes = [
    new Node(),
    new Node().queue(),
    new Node().lead(),
    new Node({ drainMs: TTL }).lead(),
    new Node().lead(),
    new Node({ candidate: false }),
  ];
  nodes[3]!.send({ type: "resign" });
  nodes[4]!.send({ type: "stop" });
  nodes[4]!.send({ type: "drained", leaseId: LEASE });
  const enqueueing = new Node();
  enqueueing.send({ type: "granted", sentAt: enqueueing.clock.now(), leaseId: LEASE, ttlMs: TTL });
  const fits: Record<string, machine.MachineEvent["type"][]> = {
    granting: ["granted", "grant-failed"],
    enqueueing: ["enqueued", "enqueue-failed"],
    queued: ["renewed", "renew-failed", "guarded", "guard-failed"],
    draining: ["renewed", "renew-failed", "guarded", "guard-failed", "drained"],
    withdrawing: ["withdrawn", "withdraw-failed"],
  };
  for (const node of [...nodes, enqueueing]) {
    const sentAt = node.clock.now();
    const failure = "unreachable";
    const events: machine.MachineEvent[] = [
      { type: "granted", sentAt, leaseId: 7n, ttlMs: TTL },
      { type: "grant-failed" },
      { type: "enqueued", leaseId: LEASE, token: 99n, first: "jobs/0" },
      { type: "enqueue-failed", leaseId: LEASE, failure },
      { type: "renewed", leaseId: LEASE, sentAt, answer: { leaseId: LEASE, ttlMs: 1 } },
      { type: "renew-failed", leaseId: LEASE, failure },
      { type: "guarded", leaseId: LEASE, asFirst: true, sentAt, answer: { held: false, revision: 99n } },
      { type: "guard-failed", leaseId: LEASE },
      { type: "drained", leaseId: LEASE },
      { type: "withdrawn", leaseId: LEASE },
      { type: "withdraw-failed", leaseId: LEASE },
    ];
    const { core: { campaign } } = node;
    for (const event of events.filter(({ type }) => !fits[campaign.stage]?.includes(type))) {
      node.send(event);
      assertEquals(node.core.campaign, campaign, `${event.type} while ${campaign.stage}`);
    }
  }
});

Deno.test("what a watch tells before it has listed says nothing", () => {
  const node = new Node().queue();
  node.alive();
  node.changed([other], 20n);
  assertEquals(node.core.view, undefined);
});

Deno.test("a leader that loses its watch while a guard is on its way waits for that answer", () => {
  const node = new Node().lead();
  node.pass(1667);
  assertEquals(node.did(), ["renew", "guard"]);
  node.lost();
  assertEquals(node.did(), []);
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

Deno.test("while a renewal is not answered, the next guard is due a third of the granted TTL after the last", () => {
  const node = new Node().lead({ ttlMs: 3000 });
  node.guarded();
  node.pass(400);
  node.renewed({ ttlMs: 3000 });
  node.did();
  node.pass(599);
  assertEquals(node.did(), []);
  node.pass(1);
  assertEquals(node.did(), ["guard"]);
});

Deno.test("how long a leader waits for the answer to a guard counts from when that was sent, not from the answer before", () => {
  const node = new Node().lead();
  node.pass(1667);
  assertEquals(node.did(), ["renew", "guard"]);
  for (let passed = 0; passed < TTL; passed += 1000) {
    node.renewed();
    node.pass(1000);
  }
  assertEquals(node.core.campaign.stage, "queued");
  node.renewed();
  node.pass(1);
  assertEquals(node.core.campaign.stage, "draining");
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

Deno.test("without a term nobody leads, though a wall clock that is set back makes the lease look young again", () => {
  const node = new Node().lead();
  node.clock.setWall(4600);
  node.send({ type: "tick" });
  assertEquals(node.core.ended, "expired");
  node.clock.setWall(-4600);
  assert(!node.leads, "its signal has fired; only a step begins a term");
});

Deno.test("who is not in the queue has nothing left of a term", () => {
  const node = new Node();
  assertEquals(machine.termRemaining(node.core, node.clock.now()), 0);
  assertEquals(machine.termRemaining(node.queue().core, node.clock.now()), 0);
  assertEquals(machine.drainRemaining(node.core, node.clock.now()), 0);
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

Deno.test("a failed guard of one whose lease is some time old is tried again after a quarter of a second", () => {
  const node = new Node().queue();
  node.list([me], TOKEN);
  node.pass(400);
  node.did();
  node.send({ type: "guard-failed", leaseId: LEASE });
  node.pass(249);
  assertEquals(node.did(), []);
  node.pass(1);
  assertEquals(node.did(), ["guard"]);
});

Deno.test("a list that was asked for before the answer that the key is there says nothing of it", () => {
  const node = new Node();
  const sentAt = node.clock.now();
  node.clock.pass(500);
  const listedAt = node.clock.now();
  node.clock.pass(400);
  node.send({ type: "granted", sentAt, leaseId: LEASE, ttlMs: TTL });
  node.send({ type: "enqueued", leaseId: LEASE, token: TOKEN, first: "jobs/0" });
  node.did();
  node.list([other], 5n, listedAt);
  assertEquals([node.core.campaign.stage, node.did()], ["queued", []]);
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

Deno.test("a lease holds to the last millisecond for which it is guaranteed, and not one longer", () => {
  const waiting = new Node().queue();
  waiting.list([other, me], TOKEN);
  waiting.pass(4949);
  assertEquals(waiting.core.campaign.stage, "queued");
  waiting.pass(1);
  assertEquals(waiting.core.campaign.stage, "draining");
});

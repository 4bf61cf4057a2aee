import { assert, assertEquals } from "@std/assert";
import * as machine from "../../election/machine/mod.ts";
import { later, LEASE, me, Node, other, TOKEN, TTL } from "../support/machine_node.ts";

const observer = () => new Node({ candidate: false });
const firstSince = (node: Node) => node.core.view?.firstSince;

Deno.test("a queue is as old as the request for it, however late its answer is seen", () => {
  const node = observer();
  const sentAt = node.clock.now();
  node.clock.pass(4000);
  node.list([other], 5n, sentAt);
  node.clock.pass(1000);
  assert(machine.viewIsCurrent(node.core, node.clock.now()));
  node.clock.pass(1);
  assert(!machine.viewIsCurrent(node.core, node.clock.now()), "one who froze names no former leader");
  const probedAt = node.clock.now();
  node.clock.pass(4000);
  node.alive(probedAt);
  assert(machine.viewIsCurrent(node.core, node.clock.now()));
  node.clock.pass(1001);
  assert(!machine.viewIsCurrent(node.core, node.clock.now()));
});

Deno.test("a change does not prove that the watch tells all: only an answered probe does", () => {
  const node = observer();
  node.list([other], 5n);
  node.clock.pass(TTL);
  node.changed([other, later], 15n);
  node.clock.pass(1);
  assert(!machine.viewIsCurrent(node.core, node.clock.now()));
});

Deno.test("before the first list nobody knows of anybody", () => {
  const node = new Node();
  assertEquals(machine.observedLeader(node.core), undefined);
  assert(!machine.viewIsCurrent(node.core, node.clock.now()));
  assert(machine.nextTickMs(node.core, node.clock.now(), true) > TTL);
});

Deno.test("the leader of the first list leads since it queued, by its own word", () => {
  const node = observer();
  node.list([{ ...other, since: new Date(42) }, later], 15n);
  assertEquals(firstSince(node), 42);
  const silent = observer();
  silent.list([other], 5n);
  assertEquals(firstSince(silent), undefined, "it did not say");
});

Deno.test("who becomes the first before our eyes leads since then, whatever it says", () => {
  const node = observer();
  const claims = { ...later, since: new Date(42) };
  node.list([other, claims], 15n);
  node.clock.pass(1000);
  node.deleted(other.key, 16n);
  const then = node.clock.now().wall;
  assertEquals(firstSince(node), then);
  node.clock.pass(1000);
  node.changed([claims, { ...me, token: 20n }], 20n);
  node.list([claims], 21n);
  node.alive();
  assertEquals(firstSince(node), then, "it still leads");
  node.deleted(claims.key, 22n);
  assertEquals(firstSince(node), undefined);
  node.clock.pass(1000);
  node.changed([claims], 23n);
  assertEquals(firstSince(node), node.clock.now().wall);
});

Deno.test("a key that was deleted and made again is another candidate", () => {
  const node = observer();
  node.list([{ ...other, since: new Date(42) }], 5n);
  node.clock.pass(1000);
  node.changed([{ ...other, token: 6n }], 6n);
  assertEquals(firstSince(node), node.clock.now().wall);
  const twins = observer();
  // One transaction makes both: they have one token.
  twins.list([{ ...other, since: new Date(42) }, { ...later, token: other.token }], 5n);
  twins.clock.pass(1000);
  twins.deleted(other.key, 7n);
  assertEquals(firstSince(twins), twins.clock.now().wall);
});

Deno.test("an observer takes a key for a leader's whatever its name is, also its own", () => {
  const node = new Node({ candidate: false });
  node.list([{ ...other, id: "me" }], 5n);
  assertEquals(node.core.campaign.stage, "off");
  assertEquals(machine.observedLeader(node.core)?.key, other.key);
  assertEquals(node.core.namesake, undefined);
});

Deno.test("a candidate takes a key of its own name for its own only if the URL is its own too", () => {
  const node = new Node({ self: { id: "me", url: "http://a" } }).queue();
  const left = { ...other, id: "me", url: "http://a" };
  node.list([left, { ...me, url: "http://a" }], TOKEN);
  assertEquals(machine.observedLeader(node.core), undefined);
  const elsewhere = { ...left, key: "jobs/9", token: 9n, url: "http://b" };
  node.list([elsewhere, { ...me, url: "http://a" }], TOKEN);
  assertEquals(machine.observedLeader(node.core), elsewhere);
});

Deno.test("a namesake that waits behind us does not make our own key another's", () => {
  const node = new Node().queue();
  node.list([me, { ...later, id: "me", url: "http://b" }], 15n);
  assertEquals(node.core.namesake?.lives, true);
  assertEquals(machine.observedLeader(node.core), undefined);
});

Deno.test("a key of our name is another node's a second after a TTL, and no earlier", () => {
  for (const ttlMs of [TTL, 8000, 2000]) {
    const node = new Node().queue({ ttlMs });
    node.list([{ ...other, id: "me" }, me], TOKEN);
    // A predecessor may have been granted what it asked for, or what we were granted.
    const limit = Math.max(TTL, ttlMs) + 1000;
    node.clock.pass(limit);
    node.alive();
    assertEquals(node.core.namesake?.lives, false, `TTL ${ttlMs}`);
    node.clock.pass(1);
    node.alive();
    assertEquals(node.core.namesake?.lives, true, `TTL ${ttlMs}`);
  }
});

Deno.test("a key of our name made anew is given its time again; one whose value changed is not", () => {
  const node = new Node().queue();
  const twin = { ...other, id: "me" };
  node.list([twin, me], TOKEN);
  node.clock.pass(4000);
  node.alive();
  node.changed([{ ...twin, priority: 3 }, me], 20n);
  node.clock.pass(2001);
  node.alive();
  assertEquals(node.core.namesake, { ...node.core.namesake!, candidate: { ...twin, priority: 3 }, lives: true });
  node.changed([me, { ...twin, token: 21n }], 21n);
  assertEquals(node.core.namesake?.lives, false);
  node.clock.pass(6000);
  node.alive();
  assertEquals(node.core.namesake?.lives, false);
});

Deno.test("of several namesakes the first is watched, and one that lives does so also when a longer TTL is granted", () => {
  const node = new Node().queue();
  const [twin, third] = [{ ...other, id: "me" }, { ...later, id: "me" }];
  node.list([twin, me, third], 15n);
  assertEquals(node.core.namesake?.candidate, twin);
  node.clock.pass(4000);
  node.renewed();
  node.clock.pass(2001);
  node.alive();
  assertEquals(node.core.namesake?.lives, true);
  node.renewed({ ttlMs: 60_000 });
  assertEquals(node.core.namesake?.lives, true);
});

Deno.test("a namesake that has gone is forgotten, and no other candidate is taken for one", () => {
  const node = new Node().queue();
  node.list([{ ...other, id: "me" }, me, later], 15n);
  assertEquals(node.core.namesake?.candidate.key, other.key);
  node.deleted(other.key, 16n);
  assertEquals(node.core.namesake, undefined);
  const { core } = node;
  node.send({ type: "tick" });
  assertEquals(node.core, core);
});

Deno.test("a key that was another's until ours got the same lease is ours", () => {
  // The list shows our key before the answer that it was made.
  const node = new Node();
  node.send({ type: "granted", sentAt: node.clock.now(), leaseId: 0x1en, ttlMs: TTL });
  node.list([me], TOKEN);
  assertEquals(node.core.namesake?.candidate.key, me.key);
  node.send({ type: "enqueue-failed", leaseId: 0x1en, failure: "lease-gone" });
  node.send({ type: "granted", sentAt: node.clock.now(), leaseId: LEASE, ttlMs: TTL });
  assertEquals(node.core.namesake, undefined);
});

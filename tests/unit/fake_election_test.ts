import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import type { Election } from "../../election/mod.ts";
import { NotElectedError, TermEndedError } from "../../election/errors.ts";
import { FakeElection } from "../../election/testing.ts";

Deno.test("a fake election is waited for, and described anew, as a real one", async () => {
  await using election = new FakeElection("me");
  await assertRejects(() => election.ready({ signal: AbortSignal.abort(new Error("enough")) }), Error, "enough");
  const waiting = election.ready();
  election.follow("other");
  const term = election.lead();
  assertEquals(await waiting, term);
  const states = election[Symbol.asyncIterator]();
  await states.next();
  const next = states.next();
  await election.update({ url: "http://localhost/new", meta: { state: "warm" } });
  const { id, url, meta } = election.state.leader!;
  assertEquals({ id, url, meta }, { id: "me", url: "http://localhost/new", meta: { state: "warm" } });
  election.lose();
  assertEquals((await next).value?.role, "follower", "a new description is no new term");
  await states.return!();
  const ended = assertRejects(() => election.ready(), NotElectedError, "The election was stopped");
  await election.stop();
  await ended;
});

Deno.test("a fake election is taken for a real one, also under fake timers", async () => {
  const { setTimeout, Date } = globalThis;
  let now = 0;
  Object.assign(globalThis, { setTimeout: () => 0, Date: Object.assign(function () {}, { ...Date, now: () => now }) });
  Object.assign(globalThis.Date, { prototype: Date.prototype });
  try {
    const fake = new FakeElection();
    const election: Election = fake;
    const term = fake.lead(1000);
    await fake.read();
    assertEquals([election.state.role, term.validFor()], ["leader", 1000]);
    now = 400;
    assertEquals(term.validFor(), 600);
    now = 1001;
    assertThrows(() => term.assert(), TermEndedError);
    await election.stop();
  } finally {
    Object.assign(globalThis, { setTimeout, Date });
  }
});

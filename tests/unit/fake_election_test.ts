import { assertEquals, assertRejects } from "@std/assert";
import { NotElectedError } from "../../election/errors.ts";
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

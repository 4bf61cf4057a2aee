import { assert, assertEquals } from "@std/assert";
import { Participant } from "../../election/participant.ts";
import type { Store, StoreNotice } from "../../election/store.ts";
import { FakeClock } from "../support/clock.ts";

const TTL = 5000;

const me = { key: "jobs/1", token: 10n, id: "me" };

/** A candidate that has the only key of an etcd that says what a test wants. */
function candidate(changes: Partial<Store> = {}) {
  const clock = new FakeClock();
  let notify!: (notice: StoreNotice) => void;
  const store: Store = {
    grant: () => Promise.resolve({ leaseId: 1n, ttlMs: TTL }),
    enqueue: () => Promise.resolve({ token: 10n, first: "jobs/1" }),
    guard: () => Promise.resolve({ held: true, first: me.key, revision: 10n }),
    renew: () => new Promise(() => {}),
    update: () => Promise.resolve(),
    touch: () => Promise.resolve(),
    withdraw: () => Promise.resolve(),
    revoke: () => Promise.resolve(),
    watch(report) {
      notify = report;
      return () => {};
    },
    ...changes,
  };
  const time = { now: () => clock.now(), after: () => () => {} };
  const settings = { candidate: true, self: { id: "me" }, prefix: "jobs/", ttlMs: TTL };
  const participant = new Participant({ settings, store, time });
  notify({ type: "listed", queue: [me], revision: 10n, sentAt: clock.now() });
  return { clock, participant, notify };
}

Deno.test("a key that goes while the work stops leaves the work no more time", async () => {
  const { clock, participant, notify } = candidate();
  let term;
  for await (const state of participant) {
    if (state.role !== "leader") continue;
    term = state.term;
    break;
  }
  assert(term);
  clock.pass(0.95 * TTL);
  assertEquals(participant.state.role, "follower");
  assert(term.signal.aborted && term.stopWithin() > 0);
  notify({ type: "changed", queue: [], revision: 11n });
  assertEquals(term.stopWithin(), 0);
});

Deno.test("a candidate that sees an older description of itself writes it once, whatever else changes meanwhile", async () => {
  let updates = 0;
  const unanswered = () => {
    updates++;
    return new Promise<void>(() => {});
  };
  const { participant, notify } = candidate({ update: unanswered });
  await participant.ready();
  participant.update({ meta: { state: "warm" } });
  assertEquals(updates, 1);
  for (let other = 11n; other < 20n; other++) {
    const queue = [me, { key: `jobs/${other}`, token: other, id: "other" }];
    notify({ type: "changed", queue, revision: other });
  }
  assertEquals(updates, 2);
});

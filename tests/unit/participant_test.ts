import { assert, assertEquals, assertRejects } from "@std/assert";
import { campaign } from "../../election/campaign.ts";
import { GivingUp } from "../../election/giving_up.ts";
import { leadWith } from "../../election/lead.ts";
import { look } from "../../election/look.ts";
import { type Connection, findLeader, lead, whileLeader, withLock } from "../../election/mod.ts";
import { Participant } from "../../election/participant.ts";
import type { Store, StoreNotice } from "../../election/store.ts";
import { FakeClock } from "../support/clock.ts";
import { within } from "../support/until.ts";

const TTL = 5000;

const me = { key: "jobs/1", token: 10n, id: "me" };

/** A candidate that has the only key of an etcd that says what a test wants, or one who only looks at that. */
function candidate(changes: Partial<Store> = {}, queues = true) {
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
  const timers = new Set<{ readonly at: number; readonly run: () => void }>();
  const time = {
    now: () => clock.now(),
    after(ms: number, run: () => void) {
      const timer = { at: clock.now().monotonic + ms, run };
      timers.add(timer);
      return () => void timers.delete(timer);
    },
  };
  const settings = { candidate: queues, self: { id: "me" }, prefix: "jobs/", ttlMs: TTL };
  const participant = new Participant({ settings, store, time });
  notify({ type: "listed", queue: [me], revision: 10n, sentAt: clock.now() });
  /** Time passes, and what is due is done. */
  const pass = (ms: number) => {
    clock.pass(ms);
    for (const timer of timers) if (timer.at <= clock.now().monotonic && timers.delete(timer)) timer.run();
  };
  /** Milliseconds to the next timer. */
  const wakesIn = () => Math.min(...[...timers].map(({ at }) => at - clock.now().monotonic));
  return { clock, participant, notify, pass, wakesIn };
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

Deno.test("the first look at the signal of a term that is over finds it aborted, though nobody has looked before", async () => {
  const { clock, participant } = candidate();
  const term = await participant.ready();
  clock.sleep(TTL);
  assert(term.signal.aborted);
});

Deno.test("the first to ask how long the work may go on gets the stop budget, if the question ends the term", async () => {
  const { clock, participant } = candidate();
  const term = await participant.ready();
  clock.pass(0.95 * TTL);
  assertEquals(term.stopWithin(), 0.04 * TTL);
});

Deno.test("who does not lead any more by one reading of the role has the signal by then, whenever the time ran out", async () => {
  for (const offset of [0, 1]) {
    const { clock, participant } = candidate();
    const { signal } = await participant.ready();
    clock.pass(0.89 * TTL - 10 - offset);
    const now = () => FakeClock.prototype.now.call(clock);
    clock.now = () => {
      clock.pass(1);
      return now();
    };
    while (participant.state.role === "leader");
    assert(signal.aborted);
  }
});

Deno.test("a leader looks at its clocks for those who depend on the end of its term, and for nobody else", async () => {
  const depends: [who: string, begin: (participant: Participant) => Promise<unknown>][] = [
    ["one who takes the signal", async (one) => (await one.ready()).signal],
    ["one who loops over the election", (one) => one[Symbol.asyncIterator]().next()],
    ["one who will loop on", async (one) => {
      const states = one[Symbol.asyncIterator]();
      await states.next();
      states.next();
    }],
  ];
  for (const [who, begin] of depends) {
    const { participant, wakesIn, pass } = candidate();
    for await (const { role } of look(participant)) if (role === "leader") break;
    assert((await participant.ready()).validFor() > 0);
    JSON.stringify(participant.state);
    assert(wakesIn() > 1000, `${wakesIn()} ms`);
    await begin(participant);
    assertEquals(wakesIn(), 250, who);
    pass(250);
    assertEquals(wakesIn(), 250, who);
  }
});

Deno.test("a reader that waits for the next state is told when the queue is too old, even if nothing else happens", async () => {
  const { participant, pass } = candidate({}, false);
  const states = participant[Symbol.asyncIterator]();
  assertEquals((await states.next()).value.leader.id, "me");
  const next = states.next();
  pass(TTL + 1);
  // Asking is not what tells the others.
  assertEquals(participant.state.role, "connecting");
  assertEquals((await within(1000, "the next state", next)).value.role, "connecting");
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

const silent = () => new Promise<never>(() => {});
const enough = new Error("enough");
const turn = () => new Promise((resolve) => setTimeout(resolve, 0));

Deno.test("a status that is read again costs no new queue, state or method for JSON but its own", async () => {
  const { participant } = candidate();
  await participant.ready();
  assertEquals(JSON.parse(JSON.stringify(participant.status)).queue[0].token, "10");
  const { defineProperty } = Object;
  let defined = 0;
  Object.defineProperty = (...args) => {
    defined++;
    return defineProperty(...args);
  };
  try {
    for (let time = 0; time < 10; time++) participant.status.queue.concat();
  } finally {
    Object.defineProperty = defineProperty;
  }
  assertEquals(defined, 10);
  assertEquals(JSON.parse(JSON.stringify(participant.state.leader)).token, "10");
});

Deno.test("who gives up while etcd is silent does not wait for it", async () => {
  const calls: [call: string, run: (participant: Participant, signal: AbortSignal) => Promise<unknown>][] = [
    ["whileLeader", (one, signal) => campaign(one, () => {}, { signal, again: true })],
    ["withLock", (one, signal) => campaign(one, () => {}, { signal, again: false })],
    ["lead", (one, signal) => leadWith(one, { onStarted() {}, onNewLeader() {} }, signal)],
    ["ready", (one, signal) => one.ready({ signal })],
  ];
  for (const [call, run] of calls) {
    const { participant, pass } = candidate({ grant: silent });
    const shutdown = new AbortController();
    const running = run(participant, shutdown.signal);
    running.catch(() => {});
    shutdown.abort(enough);
    await turn();
    pass(500);
    const ended = within(500, call, running);
    if (call === "lead") await ended;
    else await assertRejects(() => ended, Error, "enough");
  }
});

Deno.test("who gives up waits for the work, however long that takes, but not for a silent etcd after it", async () => {
  for (const again of [true, false]) {
    let hasLeft = false;
    const withdraw = () => {
      hasLeft = true;
      return silent();
    };
    const { participant, pass } = candidate({ withdraw, revoke: silent });
    const shutdown = new AbortController();
    const [working, mayEnd] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    let hasEnded = false;
    const running = campaign(participant, async () => {
      working.resolve();
      await mayEnd.promise;
      hasEnded = true;
    }, { signal: shutdown.signal, again });
    const ended = assertRejects(() => running, Error, "enough").then(() => assert(hasEnded));
    await working.promise;
    shutdown.abort(enough);
    await turn();
    assert(!hasLeft);
    // Three leases.
    for (let second = 0; second < 15; second++) pass(1000);
    mayEnd.resolve();
    // The half second begins when the work has ended.
    await turn();
    pass(500);
    await within(500, "the call to end", ended);
  }
});

Deno.test("a signal that fires when the work has ended still ends the wait for a silent etcd, and the result stands", async () => {
  const { participant, pass } = candidate({ withdraw: silent });
  const shutdown = new AbortController();
  const running = campaign(participant, () => "done", { signal: shutdown.signal, again: true });
  await turn();
  assertEquals(participant.state.role, "follower");
  shutdown.abort(enough);
  pass(500);
  assertEquals(await within(1000, "the result", running), "done");
});

Deno.test("who could not leave does not leave again when the signal fires", async () => {
  const shutdown = new AbortController();
  let times = 0;
  const release = () => {
    times++;
    return Promise.reject(enough);
  };
  const givingUp = new GivingUp({ signal: shutdown.signal }, () => {});
  await assertRejects(() => givingUp.leave({ release }), Error, "enough");
  shutdown.abort();
  assertEquals(times, 1);
});

Deno.test("a signal that has fired before is the end, and etcd is not asked", async () => {
  // To join with it throws another error.
  const options = { name: "jobs", connection: {} as Connection };
  const signal = AbortSignal.abort(enough);
  const { name: _, ...lockOptions } = options;
  const fail = () => assert(false, "it is called");
  await lead(options, { onStarted: fail }, { signal });
  await assertRejects(() => whileLeader(options, fail, { signal }), Error, "enough");
  await assertRejects(() => withLock("lock", fail, { ...lockOptions, signal }), Error, "enough");
  await assertRejects(() => findLeader({ ...options, signal }), Error, "enough");
});

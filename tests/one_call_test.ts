import { assert, assertEquals, assertGreater, assertRejects } from "@std/assert";
import { LocalEtcd } from "../dev/local_etcd.ts";
import {
  type ElectionEvent,
  type ElectionOptions,
  InvalidOptionError,
  lead,
  type Leader,
  NotElectedError,
  OverrunError,
  StopTimeoutError,
  type Term,
  TermEndedError,
  whileLeader,
} from "../election/mod.ts";
import { Candidate } from "./support/candidate.ts";
import { transport } from "./support/transport.ts";
import { leads, within } from "./support/until.ts";

/** Options for an election of this etcd. */
function jobs(etcd: LocalEtcd, more: Partial<ElectionOptions> = {}): ElectionOptions {
  return { name: "jobs", endpoints: [etcd.endpoint], transport, candidate: { id: "one" }, ...more };
}

/** Resolves when a signal has fired. */
function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.aborted ? resolve() : signal.addEventListener("abort", () => resolve()));
}

/** Deletes the key of a term, as an operator would. */
function takeKey(etcd: LocalEtcd, term: Term): Promise<string> {
  return etcd.ctl("del", term.guard[0]);
}

Deno.test("one call gives the result of the work, and leaves nothing behind", async () => {
  await using etcd = await LocalEtcd.start();
  const token = await whileLeader(jobs(etcd), (term) => {
    term.assert();
    return Promise.resolve(term.token);
  });
  assertGreater(token, 0n);
  assertEquals(await etcd.ctl("get", "jobs/", "--prefix"), "");
  assertEquals(await etcd.ctl("lease", "list"), "found 0 leases");
});

Deno.test("work that throws gives leadership up, after its signal has fired", async () => {
  await using etcd = await LocalEtcd.start();
  let signal: AbortSignal | undefined;
  const events: string[] = [];
  const failing = whileLeader(jobs(etcd, { onEvent: ({ type }) => events.push(type) }), (term) => {
    signal = term.signal;
    throw new Error("no disk");
  });
  await assertRejects(() => failing, Error, "no disk");
  assert(signal?.aborted, "what still listens to it stops");
  assert(!events.includes("work-ended"));
  assertEquals(await etcd.ctl("lease", "list"), "found 0 leases");
});

Deno.test("work whose term was lost runs again in the next one, never twice at once", async () => {
  await using etcd = await LocalEtcd.start();
  const events: ElectionEvent[] = [];
  const [tokens, endings] = [[] as bigint[], ["AbortError", "disk", "returns"]];
  let running = 0;
  const result = await whileLeader(jobs(etcd, { onEvent: (event) => events.push(event) }), async (term) => {
    assertEquals(++running, 1);
    tokens.push(term.token);
    const ending = endings.shift();
    if (ending === undefined) return "done";
    await takeKey(etcd, term);
    await aborted(term.signal);
    // It takes longer than it takes to lead again.
    await etcd.ctl("get", "something");
    running--;
    if (ending === "disk") throw new Error("no disk");
    if (ending === "AbortError") throw new DOMException("gone", ending);
    return "too late";
  });
  assertEquals(result, "done");
  assertEquals(tokens.length, 4);
  assertEquals(tokens, tokens.toSorted((a, b) => Number(a - b)));
  const failures = events.filter(({ type }) => type === "work-failed");
  assertEquals(failures.map((event) => String("error" in event && event.error)), ["Error: no disk"]);
});

Deno.test("a signal ends the work, then the call; leadership is handed over when the work has ended", async () => {
  await using etcd = await LocalEtcd.start();
  const order: string[] = [];
  const shutdown = new AbortController();
  const [working, mayEnd] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const one = whileLeader(jobs(etcd), async ({ signal }) => {
    working.resolve();
    await aborted(signal);
    order.push("told");
    await mayEnd.promise;
    order.push("ended");
  }, { signal: shutdown.signal });
  const ended = assertRejects(() => one, Error, "SIGTERM").then(() => order.push("rejected"));
  await working.promise;
  await using next = new Candidate(etcd, "next");
  await next.sees(/^one,next$/);
  const led = leads(next).then(() => order.push("next leads"));
  shutdown.abort(new Error("SIGTERM"));
  await etcd.ctl("get", "something");
  assertEquals(order, ["told"]);
  mayEnd.resolve();
  await Promise.all([ended, led]);
  assertEquals(order.slice(0, 2), ["told", "ended"]);
  await assertRejects(() => whileLeader(jobs(etcd), () => {}, { signal: shutdown.signal }), Error, "SIGTERM");
});

Deno.test("who waits for so long only gives up, and says why", async () => {
  await using etcd = await LocalEtcd.start();
  await using leader = new Candidate(etcd, "leader");
  await leads(leader);
  const late = await assertRejects(() => whileLeader(jobs(etcd), () => {}, { wait: 300 }), NotElectedError);
  assertEquals([late.reason, late.message], ["timeout", "Not elected in time"]);
  await leader.sees(/^leader$/);
  const nowhere = jobs(etcd, { endpoints: ["http://127.0.0.1:1"] });
  const refused = await assertRejects(() => whileLeader(nowhere, () => {}, { wait: 500 }), NotElectedError);
  assert(refused.message.startsWith("Not elected in time: "), refused.message);
  for (const wait of [0, -1, NaN, "5"]) {
    const invalid = () => whileLeader(jobs(etcd), () => {}, { wait: wait as number });
    assertEquals((await assertRejects(invalid, InvalidOptionError)).option, "wait");
  }
  const body = "work" as unknown as () => void;
  assertEquals((await assertRejects(() => whileLeader(jobs(etcd), body), InvalidOptionError)).option, "body");
  assertEquals((await assertRejects(() => lead(jobs(etcd), {} as never), InvalidOptionError)).option, "onStarted");
  const misspelt = { onstopped() {}, onStarted() {} };
  assertEquals(
    (await assertRejects(() => lead(jobs(etcd), misspelt), InvalidOptionError)).message,
    "Invalid option onstopped: (not shown); expected onStopped",
  );
});

Deno.test("a service is stopped before the next one starts, and is told of each new leader", async () => {
  await using etcd = await LocalEtcd.start();
  const order: string[] = [];
  const shutdown = new AbortController();
  const [started, mayStop] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  class Service {
    readonly #order = order;
    onStarted(term: Term) {
      this.#order.push(`started ${term.signal.aborted}`);
      started.resolve();
    }
    async onStopped(term: Term) {
      this.#order.push(`stopping ${term.signal.aborted}`);
      await mayStop.promise;
      this.#order.push("stopped");
    }
    onNewLeader(leader?: Leader) {
      this.#order.push(leader?.id ?? "nobody");
      throw new Error("is written to the console");
    }
  }
  const serving = lead(jobs(etcd), new Service(), { signal: shutdown.signal });
  await started.promise;
  await using next = new Candidate(etcd, "next");
  await next.sees(/^one,next$/);
  const led = leads(next).then(() => order.push("next leads"));
  shutdown.abort();
  await etcd.ctl("get", "something");
  mayStop.resolve();
  await Promise.all([serving, led]);
  const calls = order.filter((call) => !["one", "next", "nobody"].includes(call));
  assertEquals(calls, ["started false", "stopping true", "stopped", "next leads"]);
  assert(order.includes("one"));
});

Deno.test("a service that cannot start, or stop, gives leadership up and says so", async () => {
  await using etcd = await LocalEtcd.start();
  const order: string[] = [];
  const failing = lead(jobs(etcd), {
    onStarted: () => Promise.reject(new Error("no port")),
    onStopped: ({ signal }) => void order.push(`stopped ${signal.aborted}`),
  });
  await assertRejects(() => failing, Error, "no port");
  assertEquals(order, ["stopped true"]);
  const stuck = lead(jobs(etcd), {
    onStarted: async (term) => void await takeKey(etcd, term),
    onStopped: () => Promise.reject(new Error("still there")),
  });
  await assertRejects(() => stuck, Error, "still there");
  const failures: string[] = [];
  const both = lead(jobs(etcd, { onEvent: (e) => e.type === "work-failed" && failures.push(String(e.error)) }), {
    onStarted: () => Promise.reject(new Error("no port")),
    onStopped: () => Promise.reject(new Error("still there")),
  });
  await assertRejects(() => both, Error, "no port");
  assertEquals(failures, ["Error: still there"]);
  assertEquals(await etcd.ctl("lease", "list"), "found 0 leases");
});

Deno.test("who only waits to lead does so by ready, which no handover waits for", async () => {
  await using etcd = await LocalEtcd.start();
  const events: string[] = [];
  await using a = new Candidate(etcd, "a", { onEvent: ({ type }) => events.push(type) });
  const term = await a.ready();
  assertEquals(await a.ready(), term);
  const b = new Candidate(etcd, "b");
  await b.sees(/^a,b$/);
  const late = await assertRejects(() => b.ready({ wait: 100 }), NotElectedError);
  assertEquals(late.reason, "timeout");
  await assertRejects(() => b.ready({ signal: AbortSignal.abort(new Error("enough")) }), Error, "enough");
  const waiting = b.ready();
  await a.resign();
  assertEquals((await waiting).signal.aborted, false);
  assert(!events.includes("work-ended"));
  const again = assertRejects(() => a.ready(), NotElectedError, "The election was stopped");
  await a.stop();
  await again;
  await b.stop();
});

Deno.test("a leader whose loop was left says that nobody works any more", async () => {
  await using etcd = await LocalEtcd.start();
  const ended = Promise.withResolvers<Term>();
  await using a = new Candidate(etcd, "a", {
    onEvent: (event) => event.type === "work-ended" && ended.resolve(event.term),
  });
  const work = async () => {
    for await (const { role } of a) if (role === "leader") throw new Error("no disk");
  };
  const [other] = [a[Symbol.asyncIterator](), await assertRejects(work, Error, "no disk")];
  await other.return!();
  const { term } = await leads(a);
  assertEquals(await within(1000, "the event", ended.promise), term);
});

Deno.test("to await resign inside of the loop is an error when the lease has expired, and an event before", async () => {
  await using etcd = await LocalEtcd.start();
  const overrun = Promise.withResolvers<Term>();
  await using a = new Candidate(etcd, "a", {
    ttlSeconds: 2,
    onEvent: (event) => event.type === "overrun" && overrun.resolve(event.term),
  });
  for await (const state of a) {
    if (state.role !== "leader") continue;
    // Nobody waits for this one, and nothing ends by it.
    a.resign();
    const error = await assertRejects(() => a.resign(), OverrunError);
    assertEquals(error.token, state.term.token);
    assertEquals(JSON.parse(JSON.stringify(error)).token, String(error.token));
    assertEquals(await overrun.promise, state.term);
    assertEquals(state.term.stopWithin(), 0);
    break;
  }
});

Deno.test("work that takes its time after resign, but not longer than its lease, is no error", async () => {
  await using etcd = await LocalEtcd.start();
  const events: string[] = [];
  await using a = new Candidate(etcd, "a", { onEvent: ({ type }) => events.push(type) });
  const working = Promise.withResolvers<void>();
  const loop = (async () => {
    for await (const state of a) {
      if (state.role !== "leader") continue;
      working.resolve();
      await aborted(state.term.signal);
      // Longer than the stop budget.
      await new Promise((resolve) => setTimeout(resolve, 700));
      break;
    }
  })();
  await working.promise;
  await a.resign();
  await loop;
  assert(!events.includes("overrun"));
});

Deno.test("stop that takes too long leaves the key to its lease, so that nobody leads beside the work", async () => {
  await using etcd = await LocalEtcd.start();
  const a = new Candidate(etcd, "a", { ttlSeconds: 60 });
  const [working, mayEnd] = [Promise.withResolvers<Term>(), Promise.withResolvers<void>()];
  const roles: string[] = [];
  const loop = (async () => {
    for await (const state of a) {
      roles.push(state.role);
      if (state.role !== "leader") continue;
      working.resolve(state.term);
      await mayEnd.promise;
    }
  })();
  const term = await working.promise;
  const resigning = a.resign();
  const error = await assertRejects(() => a.stop({ within: 100 }), StopTimeoutError);
  // What else waits, such as an `await using`, waits no longer.
  await within(5000, "resign and stop", Promise.all([resigning.catch(() => {}), a.stop(), a.stop({ within: 100 })]));
  assert(error.message.startsWith("Not stopped within 100 ms: "));
  assertGreater(term.stopWithin(), 0);
  assertEquals(term.signal.reason instanceof TermEndedError && term.signal.reason.reason, "resigned");
  assert((await etcd.ctl("get", term.guard[0])).includes(term.guard[0]), "nobody else can lead");
  mayEnd.resolve();
  await within(2000, "the loop to end", loop);
  assertEquals(roles.at(-1), "stopped");
  const b = new Candidate(etcd, "b", { name: "other" });
  await leads(b);
  const invalid = await assertRejects(() => b.stop({ within: NaN }), InvalidOptionError);
  assertEquals(invalid.option, "within");
  // No timer takes so many.
  await b.stop({ within: Infinity });
  assertEquals(await etcd.ctl("get", "other/", "--prefix"), "");
});

/** What many requests, many candidates and many streams may cost. */
import { assert, assertEquals } from "@std/assert";
import type { Candidate, ElectionStatus, RoleState } from "../../election/mod.ts";
import type { Control, NodeSnapshot } from "../../http/answers.ts";
import { ChangeNotifier } from "../../http/change_notifier.ts";
import { EventStreams, MAX_STREAMS } from "../../http/event_streams.ts";
import { History } from "../../http/history.ts";
import { LoadGauge, verdicts } from "../../http/load.ts";
import { Metrics } from "../../http/metrics.ts";
import { answer } from "../../http/routes.ts";
import { within } from "../support/until.ts";

const FOLLOWER: RoleState = { role: "follower", leader: { id: "c1", token: 1n } };

/** Counts in `made` how often somebody describes it. */
function candidate(place: number, made: { times: number } = { times: 0 }): Candidate {
  return {
    key: `jobs/${place.toString(16)}`,
    token: BigInt(place),
    get id() {
      made.times++;
      return `c${place}`;
    },
  };
}

class Subject {
  status: ElectionStatus;
  control?: Control;
  overloaded = false;
  readonly history = new History();
  readonly notifier = new ChangeNotifier();
  readonly metrics = new Metrics("jobs");
  readonly #snapshot = (): NodeSnapshot => {
    const { status, history, control } = this;
    return { id: "a", url: "http://localhost:8080", version: "1.2.3", status, history, control };
  };
  readonly events = new EventStreams("jobs", this.#snapshot, this.notifier);

  constructor(queue: readonly Candidate[], status: Partial<ElectionStatus> = {}) {
    this.status = { state: FOLLOWER, inQueue: true, queueAgeMs: 12, queue, ...status };
  }

  async get(path: string, init?: RequestInit): Promise<Response> {
    return await answer({
      snapshot: this.#snapshot,
      roleLine: () => "line",
      verdict: (vital) => this.overloaded ? vital ? "delay" : "refuse" : "answer",
      events: this.events,
      metrics: this.metrics,
    }, new Request(`http://localhost:8080${path}`, init));
  }

  async json(path: string): Promise<Record<string, unknown>> {
    return await (await this.get(path)).json();
  }
}

function places(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index + 1);
}

Deno.test("of many candidates the first hundred are shown, and always the leader and this node itself", async () => {
  const lease = { id: (4321).toString(16), ttlMs: 5000, expiresInMs: 4000 };
  const state = { role: "follower", leader: { id: "c777", token: 777n } } as const;
  const node = new Subject(places(50_000).map((place) => candidate(place)), { lease, state });
  const { members, ...rest } = await node.json("/members") as {
    members: { id: string; place: number; role: string }[];
  };
  assertEquals(rest, { total: 50_000, omitted: 49_898, queue_age_ms: 12 });
  assertEquals(members.map(({ place }) => place), [...places(100), 777, 4321]);
  assertEquals(members.map(({ id }) => id), [...places(100), 777, 4321].map((place) => `c${place}`));
  assertEquals(members.filter(({ role }) => role === "leader").map(({ id }) => id), ["c777"]);
  const events = eventsOf(node);
  const { value } = await events.next();
  await events.return(undefined);
  assertEquals(value!.members, members);
  assertEquals([value!.total, value!.omitted], [50_000, 49_898]);
});

Deno.test("of many keys that one transaction created, and that share a token, one leads", async () => {
  const one = (place: number) => ({ ...candidate(place), key: `jobs/${place}`, token: 1n });
  const { members, total } = await new Subject(places(300).map(one)).json("/members") as Record<string, unknown>;
  const roles = (members as { role: string }[]).map(({ role }) => role);
  assertEquals([roles[0], roles.lastIndexOf("leader"), roles.length, total], ["leader", 0, 100, 300]);
});

Deno.test("the members are made once for a queue, until who leads or the queue is another", async () => {
  const made = { times: 0 };
  const node = new Subject([candidate(1, made), candidate(2)]);
  const first = await node.json("/members");
  assertEquals([first, made.times], [await node.json("/members"), 1]);
  node.status = { ...node.status, state: { role: "follower", leader: { id: "c2", token: 2n } }, queueAgeMs: 13 };
  const { members, queue_age_ms } = await node.json("/members") as {
    members: { role: string }[];
    queue_age_ms: number;
  };
  assertEquals([members.map(({ role }) => role), queue_age_ms], [["candidate", "leader"], 13]);
  node.status = { ...node.status, queue: [candidate(2)] };
  assertEquals((await node.json("/members")).total, 1);
});

Deno.test("the history is made once until it changes", async () => {
  const node = new Subject([]);
  node.history.update([candidate(1)]);
  const read = Object.getOwnPropertyDescriptor(History.prototype, "terms")!.get!;
  let reads = 0;
  Object.defineProperty(node.history, "terms", {
    get: () => {
      reads++;
      return read.call(node.history);
    },
  });
  const ids = async () => ((await node.json("/history")).terms as { id: string; ended: string }[]).map(({ id }) => id);
  assertEquals(await ids(), ["c1"]);
  const before = reads;
  assertEquals([await ids(), reads], [["c1"], before]);
  node.history.update([candidate(2)]);
  assertEquals(await ids(), ["c2", "c1"]);
  node.history.ownTermEnded(2n, "expired");
  const { terms } = await node.json("/history") as { terms: { ended: string }[] };
  assertEquals(terms.map(({ ended }) => ended), ["expired", "unknown"]);
  node.history.ownTermBegan(2n);
  assertEquals(await ids(), ["c2", "c2", "c1"]);
});

/** The events of a stream of this node. */
async function* eventsOf(node: Subject): AsyncGenerator<Record<string, unknown>> {
  const { body } = await node.get("/events");
  for await (const text of body!.pipeThrough(new TextDecoderStream())) {
    const [, event, data] = /^event: (.*)\ndata: (.*)$/m.exec(text) ?? [];
    if (data) yield { event, ...JSON.parse(data) };
  }
}

Deno.test("streams share the text of an event, but never another role", async () => {
  const node = new Subject([candidate(1)]);
  const readers = await Promise.all([1, 2].map(async () => (await node.get("/events")).body!.getReader()));
  const next = async () => (await Promise.all(readers.map((reader) => reader.read()))).map(({ value }) => value!);
  await next();
  const [first, same] = await next();
  assert(first === same);
  node.status = { ...node.status, state: { role: "connecting" } };
  const late = eventsOf(node);
  assertEquals((await late.next()).value!.role, "connecting");
  await late.return(undefined);
  for (const reader of readers) await reader.cancel();
});

Deno.test("a stream on which nothing happens sends heartbeats within the TTL, computed anew", async () => {
  const node = new Subject([candidate(1)], { lease: { id: "1", ttlMs: 1000, expiresInMs: 900 } });
  const events = eventsOf(node);
  const { value: state } = await events.next();
  assertEquals([state!.election, state!.heartbeat_ms], ["jobs", 500]);
  node.status = { ...node.status, state: { role: "connecting" } };
  const { value: heartbeat } = await within(10_000, "a heartbeat", events.next());
  assertEquals([heartbeat!.event, heartbeat!.role, heartbeat!.members], ["heartbeat", "connecting", undefined]);
  await events.return(undefined);
});

Deno.test("streams are limited, and one that is left makes room", async () => {
  const node = new Subject([]);
  const open = await Promise.all(Array.from({ length: MAX_STREAMS }, () => node.get("/events")));
  const refused = await node.get("/events");
  assertEquals([refused.status, refused.headers.get("retry-after")], [503, "1"]);
  assertEquals((await node.get("/events", { method: "HEAD" })).status, 200);
  await open.pop()!.body!.cancel();
  const next = await node.get("/events");
  assertEquals(next.status, 200);
  assertEquals((await node.get("/events")).status, 503);
  // All that are open end with the node, and count no more.
  const ended = [...open, next].map(({ body }) => body!.pipeTo(new WritableStream()));
  node.events.close();
  await Promise.all(ended);
  const last = await node.get("/events");
  assertEquals(last.status, 200);
  await last.body!.cancel();
});

Deno.test("a wrong control token costs no new key", async () => {
  const node = new Subject([]);
  node.control = { token: "a-long-enough-token", resign: () => Promise.resolve(), onRequest: () => {} };
  const { generateKey } = crypto.subtle;
  let keys = 0;
  crypto.subtle.generateKey = ((...args: Parameters<typeof generateKey>) => {
    keys++;
    return generateKey.apply(crypto.subtle, args);
  }) as typeof generateKey;
  try {
    const ask = async (token: string) => {
      const headers = { authorization: `Bearer ${token}` };
      return (await node.get("/resign", { method: "POST", headers })).status;
    };
    for (const wrong of ["wrong-token", "a-long-enough-toker", "a-long-enough-tokens", "", "é"]) {
      assertEquals(await ask(wrong), 401);
    }
    // Not the leader, but somebody who may ask.
    assertEquals(await ask("a-long-enough-token"), 503);
    assert(keys <= 1, `${keys} keys`);
  } finally {
    crypto.subtle.generateKey = generateKey;
  }
});

Deno.test("an overloaded leader turns requests away, but answers probes and transfers", async () => {
  const node = new Subject([]);
  node.overloaded = true;
  const all = ["/", "/status", "/members", "/cluster", "/history", "/events", "/metrics", "/no", "/redirect/a"];
  const refused = await Promise.all(all.map((path) => node.get(path)));
  assertEquals(
    refused.map(({ status, headers }) => [status, headers.get("retry-after")]),
    all.map(() => [503, "1"]),
  );
  const vital = { "/leader": 503, "/follower": 200, "/livez": 200, "/readyz": 200 };
  const answered = await Promise.all(Object.keys(vital).map((path) => node.get(path)));
  assertEquals(answered.map(({ status }) => status), Object.values(vital));
  assertEquals(answered.map(({ headers }) => headers.get("retry-after")), [null, null, null, null]);
  assertEquals((await node.get("/resign", { method: "POST" })).status, 403);
});

Deno.test("an answer that is delayed tells what is so then", async () => {
  const node = new Subject([]);
  node.overloaded = true;
  const answer = node.get("/follower");
  node.status = { ...node.status, state: { role: "connecting" } };
  assertEquals((await answer).status, 503);
});

Deno.test("many requests and a late loop are overload; few requests or a loop in time are not", () => {
  const others = (lateMs: number, count: number, ttlMs: number | undefined, overloaded = false) =>
    verdicts({ lateMs, vital: 0, others: count }, ttlMs, overloaded).others;
  assertEquals(others(150, 1000, 5000), "refuse");
  assertEquals(others(150, 1000, undefined), "answer", "nothing to protect");
  assertEquals(others(150, 3, 5000), "answer");
  assertEquals(others(80, 1000, 5000), "answer");
  assertEquals(others(80, 1000, 2000), "refuse", "a short TTL needs a loop that is in time");
  assertEquals(others(80, 1000, 5000, true), "refuse", "still");
  assertEquals(others(30, 1000, 5000, true), "answer");
});

Deno.test("probes are delayed only if they are the load", () => {
  assertEquals(verdicts({ lateMs: 150, vital: 10, others: 1000 }, 5000), { vital: "answer", others: "refuse" });
  assertEquals(verdicts({ lateMs: 150, vital: 1000, others: 0 }, 5000), { vital: "delay", others: "refuse" });
});

Deno.test("a loop that requests hold up is noticed, and that it is well again", async () => {
  const gauge = new LoadGauge(() => 5000);
  const turn = () => new Promise((resolve) => setTimeout(resolve, 25));
  assertEquals(gauge.count(false), "answer");
  for (let more = 0; more < 100; more++) gauge.count(false);
  const until = performance.now() + 200;
  while (performance.now() < until);
  await new Promise((resolve) => setTimeout(resolve, 0));
  assertEquals([gauge.count(false), gauge.count(true)], ["refuse", "answer"]);
  // A moment without requests is enough.
  await turn();
  await turn();
  assertEquals(gauge.count(false), "answer");
  gauge.close();
});

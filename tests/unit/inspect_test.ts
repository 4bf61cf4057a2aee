import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { diagnose, type Facts, type Finding, findingsText } from "../../cli/inspect/doctor.ts";
import { historyTable, mergeHistories } from "../../cli/inspect/history.ts";
import { type NodeStatus, parseHistory, parseStatus } from "../../cli/inspect/node_answers.ts";
import { askNodes, compare, type NodeReport, statusText } from "../../cli/inspect/status.ts";
import { span, table } from "../../cli/inspect/table.ts";

const PLAIN = { colours: false };

const HEALTHY: Facts = {
  election: "jobs",
  ttl: 5,
  etcd: {
    members: ["a", "b", "c"].map((name) => ({
      endpoint: `http://${name}:2379`,
      version: "3.6.9",
      id: name,
      cluster: "1",
      leader: "a",
      alarms: [],
      tookMs: [1, 2, 3],
    })),
    readsMs: [1, 2],
    minTtl: 2,
  },
  queue: ["a", "b"].map((id, index) => ({ key: id, token: BigInt(index), id, priority: 0 })),
  nodes: [],
};

function found(facts: Partial<Facts>): Finding[] {
  return diagnose({ ...HEALTHY, ...facts }).filter(({ level }) => level !== "ok");
}

Deno.test("the doctor has nothing to say of a healthy election, and names each thing that is not", () => {
  assertEquals(found({}), []);
  assertMatch(findingsText(diagnose(HEALTHY), PLAIN), /\n\nno problems$/);
  const [a, b, c] = HEALTHY.etcd.members as [typeof HEALTHY.etcd.members[0], ...typeof HEALTHY.etcd.members[0][]];
  const etcd = (change: Partial<Facts["etcd"]>) => ({ etcd: { ...HEALTHY.etcd, ...change } });
  const cases: [Partial<Facts>, "warn" | "fail", RegExp][] = [
    [etcd({ members: [a, b!, { ...c!, problem: "gone" }] }), "fail", /^gone$/],
    [etcd({ members: [a, b!, { ...c!, leader: "0" }] }), "fail", /no quorum/],
    [etcd({ members: [a, { ...b!, alarms: ["NOSPACE"] }] }), "fail", /alarms: NOSPACE/],
    [etcd({ members: [a, { ...b!, cluster: "2" }] }), "fail", /different clusters/],
    [etcd({ members: [a, { ...b!, version: "3.6.10" }] }), "warn", /different versions: 3.6.9, 3.6.10/],
    [
      etcd({ members: [{ ...a, version: "3.5.27" }, { ...b!, version: "3.5.27" }] }),
      "warn",
      /^etcd 3.5.27: linearizable reads may be stale/,
    ],
    [etcd({ readProblem: "permission denied" }), "fail", /^cannot read under jobs\/: permission denied/],
    [etcd({ writeProblem: "permission denied" }), "fail", /^cannot write under jobs\/: permission denied/],
    [{ ttl: 4 }, "warn", /5 s would be enough/],
    [{ ttl: 1 }, "warn", /stays for 2 s/],
    [{ nodes: [report("a", { lease: { ttl: 4 } }), report("b", { lease: { ttl: 30 } })] }, "warn", /^TTL 4 s/],
    [{ ttl: 1, nodes: [report("a", { lease: { ttl: 30 } })] }, "warn", /^TTL 1 s \(--ttl\)/],
    [{ ttl: 30, nodes: [report("a", { lease: { ttl: 1 } })] }, "warn", /^TTL 1 s \(the shortest of the nodes\)/],
    [{ ttl: undefined, etcd: { ...HEALTHY.etcd, minTtl: 6 } }, "warn", /^TTL 5 s \(the default\)/],
    [etcd({ members: [a, { ...b!, learner: true }] }), "warn", /http:..b:2379: version 3.6.9, learner/],
    [
      { queue: [...HEALTHY.queue!, { key: "jobs/night/1f", token: 9n, id: "c", priority: 0 }] },
      "fail",
      /^election jobs contains another election's keys .*: jobs\/night$/,
    ],
    [
      { queue: [{ ...HEALTHY.queue![0]!, key: "jobs/0", leaseless: true }, ...HEALTHY.queue!.slice(1)] },
      "fail",
      /^a: no lease: this key never expires; delete it with: etcdctl del jobs\/0$/,
    ],
    [{ queue: [] }, "warn", /the queue is empty/],
    [{ queue: HEALTHY.queue!.slice(1) }, "warn", /b is the only candidate/],
    [{ queue: [...HEALTHY.queue!, HEALTHY.queue![0]!] }, "fail", /several candidates have the id a:/],
    [{ queue: HEALTHY.queue!.map((one) => ({ ...one, priority: undefined })) }, "warn", /other programs.*: a, b$/],
    [{ nodes: [report("a", { timestamp: new Date(5000).toISOString() })] }, "warn", /clock 5000 ms ahead/],
    [{ nodes: [{ candidate: HEALTHY.queue![0]!, problem: "hides" }] }, "warn", /^node a: hides$/],
  ];
  for (const [facts, level, text] of cases) {
    const [finding, ...others] = found(facts);
    assertEquals(others, []);
    assertEquals(finding?.level, level, String(text));
    assertMatch(finding!.text, text);
  }
});

Deno.test("old etcd's bugs are told of the versions that have them, and no others", () => {
  const bugs = (version: string) =>
    found({ etcd: { ...HEALTHY.etcd, members: HEALTHY.etcd.members.map((member) => ({ ...member, version })) } })
      .length;
  const versions = [
    "3.3.27",
    "3.4.23",
    "3.4.31",
    "3.4.38",
    "3.4.42",
    "3.5.12",
    "3.5.13",
    "3.5.23",
    "3.5.28",
    "3.6.0",
    "3.6.5",
    "3.6.9",
    "3.7.1",
    "4.0.0",
  ];
  assertEquals(versions.map(bugs), [3, 3, 2, 1, 0, 3, 2, 1, 0, 2, 1, 0, 1, 1]);
});

/** What a node answers to `GET /status`, with these fields. */
function status(fields: Record<string, unknown> = {}): Record<string, unknown> {
  const timestamp = new Date(0).toISOString();
  return { node: "a", role: "follower", is_leader: false, leader: null, version: "1.0.0", timestamp, ...fields };
}

function report(id: string, fields: Record<string, unknown>): NodeReport<NodeStatus> {
  return answering(id, parseStatus(status({ node: id, ...fields }))!);
}

function answering<T>(id: string, body: T): NodeReport<T> {
  return { candidate: { key: id, token: 1n, id }, answer: { body, tookMs: 1, at: 0 } };
}

Deno.test("nodes that disagree with etcd are doubted", () => {
  const leader = { id: "a", token: 1n, url: undefined, since: undefined };
  const seen = { state: { role: "follower", leader }, queue: [], inQueue: true } as const;
  const doubts = (...nodes: NodeReport<NodeStatus>[]) => compare(seen, nodes).doubts;
  assertEquals(doubts(report("a", { is_leader: true, leader: "a" }), report("b", { leader: "a" })), []);
  const second = report("b", { is_leader: true, leader: "b" });
  const impostor = { ...second, candidate: { ...second.candidate, token: 2n } };
  assertEquals(doubts(impostor), ["b claims to be the leader; according to etcd it is a"]);
  assertEquals(doubts(report("b", { leader: null })), ["b considers nobody the leader"]);
  assertEquals(doubts({ ...report("b", { leader: "a" }), candidate: { key: "c", token: 3n, id: "c" } }), [
    "the URL of c is answered by b",
  ]);
  assertEquals(doubts({ candidate: { key: "b", token: 2n, id: "b", url: "http://b" }, problem: "hides" }), [
    "no node answered",
  ]);
  const away = { candidate: { key: "a", token: 1n, id: "a", url: "http://a" }, problem: "cannot be reached: gone" };
  assertEquals(doubts(away, report("b", { leader: "a" })), ["the leader, a, cannot be reached: gone"]);
  const foreign = { candidate: { key: "a", token: 1n, id: "a" }, problem: "has no URL" };
  assertEquals(doubts(foreign, report("b", { leader: "a" })), []);
  assertStringIncludes(statusText("jobs", compare(seen, [impostor]), PLAIN), "b claims to be the leader");
});

Deno.test("for how long a leader leads is what it says itself, not since when it was queued", () => {
  const leader = { id: "a", token: 1n, url: undefined, since: new Date(0) };
  const seen = { state: { role: "follower", leader }, queue: [], inQueue: true } as const;
  const head = (...nodes: NodeReport<NodeStatus>[]) => statusText("jobs", compare(seen, nodes), PLAIN).split("\n")[0];
  const times = { timestamp: new Date(90_000).toISOString(), since: new Date(80_000).toISOString() };
  assertEquals(head(report("a", { is_leader: true, leader: "a", ...times })), "a leads jobs with token 1, for 10 s");
  assertEquals(head(report("a", { leader: "a", ...times })), "a leads jobs with token 1");
  assertEquals(
    head({ candidate: { key: "a", token: 1n, id: "a" }, problem: "has no URL" }),
    "a leads jobs with token 1",
  );
});

Deno.test("of a term, the node is believed that knows most", () => {
  const term = { token: 1, id: "a", from: "2026-01-01T00:00:00Z", to: null, ended: null };
  const ended = { ...term, to: "2026-01-01T00:01:30Z", ended: "unknown" };
  const seen = (id: string, ...terms: unknown[]) => answering(id, parseHistory({ terms })!);
  const terms = mergeHistories([
    seen("a", term),
    seen("b", { ...ended, ended: "resigned" }),
    seen("c", { ...term, token: 2 }, ended),
  ]);
  assertEquals(terms.map(({ token, ended }) => [token, ended]), [[2, null], [1, "resigned"]]);
  const afterLoss = { ...term, from: "2026-01-02T00:00:00Z", id: "b" };
  assertEquals(
    mergeHistories([seen("a", { ...ended, token: 9 }, afterLoss)]).map(({ token }) => token),
    [1, 9],
  );
  assertMatch(historyTable(terms, PLAIN), /1 +a +2026-01-01T00:00:00.000Z +1 min 30 s +resigned$/);
});

Deno.test("an answer counts only if it is that of a node, whatever else is in it", () => {
  assertEquals(parseStatus(status({ leader_url: "javascript:alert(1)", leader: 7, url: "http://u:p@h/" })), {
    node: "a",
    role: "follower",
    isLeader: false,
    leader: undefined,
    leaderUrl: undefined,
    url: undefined,
    version: "1.0.0",
    ttl: undefined,
    timestamp: 0,
    since: undefined,
  });
  for (
    const fields of [{ node: null }, { role: "constructor" }, { version: {} }, { timestamp: "x" }, { is_leader: 1 }]
  ) {
    assertEquals(parseStatus(status(fields)), undefined);
  }
  for (const body of [undefined, null, 7, "text", [], {}, { terms: null }, { terms: { length: 9 } }]) {
    assertEquals([parseStatus(body), parseHistory(body)], [undefined, undefined]);
  }
  const term = { token: 1, id: "a", from: "tomorrow", to: [], ended: "constructor" };
  const terms = parseHistory({ terms: [null, [], {}, { ...term, token: 1.5 }, { ...term, id: {} }, term] })!;
  assertEquals(terms, [{ token: 1, id: "a", from: null, to: null, ended: null }]);
  assertMatch(historyTable(mergeHistories([answering("a", terms)]), PLAIN), /^1 +a +ongoing$/m);
});

Deno.test("few of many nodes are asked at once, and only the first of very many", async () => {
  let [open, most, asked] = [0, 0, 0];
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async () => {
    [most, asked] = [Math.max(most, ++open), asked + 1];
    await new Promise((resolve) => setTimeout(resolve, 5));
    open--;
    return Response.json(status());
  });
  const url = `http://127.0.0.1:${server.addr.port}`;
  const queue = Array.from({ length: 1000 }, (_, index) => ({ key: `${index}`, token: BigInt(index), id: "a", url }));
  const reports = await askNodes(queue, "/status", parseStatus);
  assertEquals([reports.length, reports.filter(({ answer }) => answer).length, asked], [1000, 100, 100]);
  assert(most <= 24, `${most} at once`);
  assertEquals(reports.at(-1)?.problem, "not asked: only the first 100 are");
});

Deno.test("a table is aligned, coloured where that is wanted, and safe", () => {
  const rows = [[{ text: "a\x1b[2J", colour: "red" }, "x"], ["long name", "y"]] as const;
  assertEquals(table(["N", "V"], rows, PLAIN), "N          V\na\uFFFD[2J      x\nlong name  y");
  assertStringIncludes(table(["N", "V"], rows, { colours: true }), "\x1b[31ma\uFFFD[2J\x1b[0m      x");
  // A family is one wide sign, whatever it is made of.
  assertEquals(
    table(["N", "V"], [["\u{1f468}\u200d\u{1f469}\u200d\u{1f467}", "x"], ["日本", "y"], ["abcd", "z"]], PLAIN),
    [
      "N     V",
      "\u{1f468}\u200d\u{1f469}\u200d\u{1f467}    x",
      "日本  y",
      "abcd  z",
    ].join("\n"),
  );
  assertEquals([0, 59_499, 61_000, 7_260_000, 200_000_000].map(span), [
    "0 s",
    "59 s",
    "1 min 1 s",
    "2 h 1 min",
    "2 d 7 h",
  ]);
});

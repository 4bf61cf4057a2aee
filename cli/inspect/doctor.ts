import type { Queue } from "../../election/mod.ts";
import type { EtcdFacts, MemberFacts } from "./etcd_facts.ts";
import type { NodeReport } from "./status.ts";
import { paint, type Show } from "./table.ts";

/** All that the doctor looks at. */
export interface Facts {
  readonly election: string;
  /** The TTL in question, in seconds. */
  readonly ttl: number;
  readonly etcd: EtcdFacts;
  /** Absent if etcd does not tell. */
  readonly queue?: Queue;
  readonly nodes: readonly NodeReport[];
}

/** One thing that was looked at. */
export interface Finding {
  readonly level: "ok" | "warn" | "fail";
  readonly text: string;
}

const ok = (text: string): Finding => ({ level: "ok", text });
const warn = (text: string): Finding => ({ level: "warn", text });
const fail = (text: string): Finding => ({ level: "fail", text });

/** Known bugs of etcd's leases, and the versions that mended them. */
const LEASE_BUGS = [
  { fixed: ["3.4.31", "3.5.13", "3.6.0"], what: "a stuck former raft leader goes on renewing and revoking leases" },
  { fixed: ["3.4.38", "3.5.23", "3.6.5"], what: "the renewal of a revoked lease succeeds" },
] as const;

/** A TTL of so many of etcd's least TTLs outlasts a change of its raft leader, and a renewal that was just due. */
const TTL_FACTOR = 2.35;
const MAX_CLOCK_OFFSET_MS = 1000;

/** What is to be said of the facts. */
export function diagnose(facts: Facts): Finding[] {
  const { members } = facts.etcd;
  return [
    ...members.map(aboutMember),
    ...aboutCluster(members),
    ...aboutVersions(members),
    ...aboutUse(facts),
    ...aboutTtl(facts),
    ...facts.queue ? aboutQueue(facts.queue, facts.election) : [],
    ...facts.nodes.flatMap(aboutNode),
  ];
}

/** The findings for a person, and what it comes to. */
export function findingsText(findings: readonly Finding[], show: Show): string {
  const marks = { ok: ["ok  ", "green"], warn: ["warn", "yellow"], fail: ["FAIL", "red"] } as const;
  const lines = findings.map(({ level, text }) => {
    const [mark, colour] = marks[level];
    return `${paint({ text: mark, colour }, show)}  ${paint({ text }, show)}`;
  });
  const count = (level: Finding["level"]) => findings.filter((finding) => finding.level === level).length;
  const [failures, warnings] = [count("fail"), count("warn")];
  const sum = failures + warnings === 0 ? "all is well" : `${failures} to mend, ${warnings} to think about`;
  return [...lines, "", sum].join("\n");
}

function aboutMember({ endpoint, problem, version, id, leader, alarms, tookMs }: MemberFacts): Finding {
  if (problem) return fail(problem);
  const who = version
    ? `version ${version}, ${id === leader ? "raft leader" : "member"}`
    : "version not told to this user";
  const told = `etcd at ${endpoint}: ${who}, answers in ${latency(tookMs)}`;
  if (leader === "0") return fail(`${told}; it knows no raft leader: it has no quorum`);
  return alarms.length > 0 ? fail(`${told}; it raises ${alarms.join(", ")}`) : ok(told);
}

function aboutCluster(members: readonly MemberFacts[]): Finding[] {
  const alive = members.filter(({ problem }) => problem === undefined);
  const findings: Finding[] = [];
  if (new Set(alive.map(({ cluster }) => cluster)).size > 1) {
    findings.push(fail("the endpoints belong to different clusters: an election would have a leader in each"));
  }
  if (alive.length === 1 && members.length === 1) {
    findings.push(warn("one endpoint only: if it fails, the election stands still; name all members of the cluster"));
  }
  return findings;
}

function aboutVersions(members: readonly MemberFacts[]): Finding[] {
  const versions = [...new Set(members.flatMap(({ version }) => version ?? []))];
  const mixed = versions.length > 1 ? [warn(`the members run different versions: ${versions.join(", ")}`)] : [];
  const bugs = LEASE_BUGS.flatMap(({ fixed, what }) => {
    const affected = versions.filter((version) => !isFixed(version, fixed));
    if (affected.length === 0) return [];
    const guarded = "leader-node guards against it, other clients may not";
    return [warn(`etcd ${affected.join(", ")}: ${what} (mended in ${fixed.join(", ")}); ${guarded}`)];
  });
  return [...mixed, ...bugs];
}

function aboutUse({ election, etcd: { readsMs, readProblem, writeProblem } }: Facts): Finding[] {
  const findings: Finding[] = [];
  if (readProblem) findings.push(fail(`no read under ${election}/: ${readProblem}`));
  else if (readsMs.length > 0) findings.push(ok(`quorum: a linearizable read takes ${latency(readsMs)}`));
  if (writeProblem) findings.push(fail(`no write under ${election}/: ${writeProblem}`));
  else if (readsMs.length > 0) findings.push(ok(`leases, reads and writes under ${election}/ are permitted`));
  return findings;
}

function aboutTtl({ ttl, etcd: { leastTtl } }: Facts): Finding[] {
  if (leastTtl === undefined) return [];
  const enough = Math.ceil(leastTtl * TTL_FACTOR);
  const told = `a TTL of ${ttl} s, where etcd grants ${leastTtl} s or more`;
  if (ttl < leastTtl) return [warn(`${told}: etcd makes it ${leastTtl} s`)];
  if (ttl < enough) {
    return [warn(`${told}: a change of etcd's raft leader may cost the lead; ${enough} s would outlast it`)];
  }
  return [ok(told)];
}

function aboutQueue(queue: Queue, election: string): Finding[] {
  const findings: Finding[] = [];
  const inner = queue.filter(({ key }) =>
    key.startsWith(`${election}/`) && key.slice(election.length + 1).includes("/")
  );
  if (inner.length > 0) {
    const names = new Set(inner.map(({ key }) => key.slice(0, key.lastIndexOf("/"))));
    findings.push(
      fail(
        `inside of ${election} is another election, whose candidates it takes for its own: ${[...names].join(", ")}`,
      ),
    );
  }
  if (queue.length === 0) findings.push(warn("nobody is in the queue"));
  else if (queue.length === 1) findings.push(warn(`${queue[0]!.id} is alone: nobody could take over`));
  else findings.push(ok(`${queue.length} candidates, ${queue[0]!.id} is the first`));
  const twice = queue.map(({ id }) => id).filter((id, index, ids) => ids.indexOf(id) < index);
  if (twice.length > 0) findings.push(warn(`several candidates are called ${[...new Set(twice)].join(", ")}`));
  const foreign = queue.filter(({ priority }) => priority === undefined);
  if (foreign.length > 0) {
    findings.push(
      warn(`candidates of other programs, which keep no stop rule of ours: ${foreign.map(({ id }) => id).join(", ")}`),
    );
  }
  return findings;
}

function aboutNode({ candidate: { id }, answer, problem }: NodeReport): Finding[] {
  if (!answer) return [warn(`node ${id} ${problem}`)];
  const { timestamp, version, role } = answer.body;
  const offset = Date.parse(String(timestamp)) - answer.at;
  const told = `node ${id}: ${role}, version ${version}, answers in ${answer.tookMs.toFixed(0)} ms, its clock is ${
    offset < 0 ? "behind" : "ahead"
  } by ${Math.abs(offset).toFixed(0)} ms`;
  if (!(Math.abs(offset) > MAX_CLOCK_OFFSET_MS)) return [ok(told)];
  return [warn(`${told}: no harm to the election, but its logs and times mislead`)];
}

function isFixed(version: string, fixed: readonly string[]): boolean {
  const [major, minor, patch] = version.split(".").map((part) => parseInt(part));
  for (const mended of fixed) {
    const [m, n, p] = mended.split(".").map(Number);
    if (major === m && minor === n) return patch! >= p!;
  }
  const newest = fixed.at(-1)!.split(".").map(Number);
  return major! > newest[0]! || (major === newest[0] && minor! > newest[1]!);
}

function latency(tookMs: readonly number[]): string {
  const sorted = [...tookMs].sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!.toFixed(1);
  return `${at(0.5)} ms (p99 ${at(0.99)} ms)`;
}

import { DEFAULT_TTL } from "../../election/internal.ts";
import type { Queue } from "../../election/mod.ts";
import { leftoverProblem } from "../../http/leftover.ts";
import type { EtcdFacts, MemberFacts } from "./etcd_facts.ts";
import type { NodeStatus } from "./node_answers.ts";
import type { NodeReport } from "./status.ts";
import { paint, type Show } from "./table.ts";

/** Everything that the doctor checks. */
export interface Facts {
  readonly election: string;
  /** A TTL to check beside that of the nodes, in seconds. */
  readonly ttl?: number;
  readonly etcd: EtcdFacts;
  /** Absent if etcd does not answer reads. */
  readonly queue?: Queue;
  readonly nodes: readonly NodeReport<NodeStatus>[];
}

/** The result of one check. */
export interface Finding {
  readonly level: "ok" | "warn" | "fail";
  readonly text: string;
}

const ok = (text: string): Finding => ({ level: "ok", text });
const warn = (text: string): Finding => ({ level: "warn", text });
const fail = (text: string): Finding => ({ level: "fail", text });

/** A known bug of etcd that concerns elections: see docs/safety.md. */
interface Bug {
  readonly what: string;
  /** The first version that has it, if not all do. */
  readonly since?: string;
  /** The versions that fix it, one for each minor version. */
  readonly fixed: readonly string[];
  readonly effect: string;
}

const PROTECTED = "leader-node is protected against it, other clients may not be";
const BUGS: readonly Bug[] = [
  {
    what: "a stuck former raft leader keeps renewing and revoking leases",
    fixed: ["3.4.31", "3.5.13", "3.6.0"],
    effect: PROTECTED,
  },
  { what: "the renewal of a revoked lease succeeds", fixed: ["3.4.38", "3.5.23", "3.6.5"], effect: PROTECTED },
  {
    what: "linearizable reads may be stale after a change of the raft leader or a pause",
    fixed: ["3.4.42", "3.5.28", "3.6.9"],
    effect: "a leader whose key is gone may take that long to notice; the fencing token tells the two apart",
  },
  {
    what: "a renewal may be answered before a revocation that is already committed",
    since: "3.7.0",
    fixed: [],
    effect: PROTECTED,
  },
];

/** A TTL of this many minimum TTLs outlasts a change of etcd's raft leader, even when a renewal was just due. */
const TTL_FACTOR = 2.35;
const MAX_CLOCK_OFFSET_MS = 1000;
/** How many keys without a lease are named. */
const MAX_LEFTOVERS = 10;

/** Runs all checks. */
export function diagnose(facts: Facts): Finding[] {
  const { members } = facts.etcd;
  return [
    ...members.map(checkMember),
    ...checkCluster(members),
    ...checkVersions(members),
    ...checkAccess(facts),
    ...checkTtls(facts),
    ...facts.queue ? checkQueue(facts.queue, facts.election) : [],
    ...facts.nodes.flatMap(checkNode),
  ];
}

/** The findings as text, with a summary. */
export function findingsText(findings: readonly Finding[], show: Show): string {
  const marks = { ok: ["ok  ", "green"], warn: ["warn", "yellow"], fail: ["FAIL", "red"] } as const;
  const lines = findings.map(({ level, text }) => {
    const [mark, colour] = marks[level];
    return `${paint({ text: mark, colour }, show)}  ${paint({ text }, show)}`;
  });
  const count = (level: Finding["level"]) => findings.filter((finding) => finding.level === level).length;
  const [failures, warnings] = [count("fail"), count("warn")];
  const summary = failures + warnings === 0
    ? "no problems"
    : `${plural(failures, "failure")}, ${plural(warnings, "warning")}`;
  return [...lines, "", summary].join("\n");
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

function checkMember(member: MemberFacts): Finding {
  const { endpoint, problem, version, leader, learner, alarms, tookMs } = member;
  if (problem) return fail(problem);
  const role = version ? `version ${version}, ${raftRole(member)}` : "version hidden from this user";
  const summary = `etcd at ${endpoint}: ${role}, latency ${latency(tookMs)}`;
  if (learner) {
    return warn(`${summary}; a learner serves no elections: leave it out of --endpoints until it is promoted`);
  }
  if (leader === "0") return fail(`${summary}; no raft leader, so no quorum`);
  return alarms.length > 0 ? fail(`${summary}; alarms: ${alarms.join(", ")}`) : ok(summary);
}

function raftRole({ id, leader, learner }: MemberFacts): string {
  if (learner) return "learner";
  return id === leader ? "raft leader" : "member";
}

function checkCluster(members: readonly MemberFacts[]): Finding[] {
  const alive = members.filter(({ problem }) => problem === undefined);
  const findings: Finding[] = [];
  if (new Set(alive.map(({ cluster }) => cluster)).size > 1) {
    findings.push(fail("the endpoints belong to different clusters: each would have a leader of its own"));
  }
  if (alive.length === 1 && members.length === 1) {
    findings.push(warn("only one endpoint: if it fails, no leader can be elected; list all members of the cluster"));
  }
  return findings;
}

function checkVersions(members: readonly MemberFacts[]): Finding[] {
  const versions = [...new Set(members.flatMap(({ version }) => version ?? []))];
  const mixed = versions.length > 1 ? [warn(`the members run different versions: ${versions.join(", ")}`)] : [];
  const bugs = BUGS.flatMap(({ since, fixed, what, effect }) => {
    const affected = versions.filter((version) => (!since || isFixed(version, [since])) && !isFixed(version, fixed));
    if (affected.length === 0) return [];
    const remedy = fixed.length > 0 ? `fixed in ${fixed.join(", ")}` : "not fixed yet";
    return [warn(`etcd ${affected.join(", ")}: ${what} (${remedy}); ${effect}`)];
  });
  return [...mixed, ...bugs];
}

function checkAccess({ election, etcd: { readsMs, readProblem, writeProblem } }: Facts): Finding[] {
  const findings: Finding[] = [];
  if (readProblem) findings.push(fail(`cannot read under ${election}/: ${readProblem}`));
  else if (readsMs.length > 0) findings.push(ok(`quorum: linearizable reads take ${latency(readsMs)}`));
  if (writeProblem) findings.push(fail(`cannot write under ${election}/: ${writeProblem}`));
  else if (readsMs.length > 0) findings.push(ok(`leases, reads and writes under ${election}/ are permitted`));
  return findings;
}

function checkTtls({ ttl, etcd: { minTtl }, nodes }: Facts): Finding[] {
  if (minTtl === undefined) return [];
  const running = nodes.flatMap(({ answer }) => answer?.body.ttl ?? []);
  const findings: Finding[] = [];
  if (running.length > 0) findings.push(checkTtl(Math.min(...running), "the shortest of the nodes", minTtl));
  if (ttl !== undefined) findings.push(checkTtl(ttl, "--ttl", minTtl));
  return findings.length > 0 ? findings : [checkTtl(DEFAULT_TTL, "the default", minTtl)];
}

function checkTtl(ttl: number, whose: string, minTtl: number): Finding {
  const enough = Math.ceil(minTtl * TTL_FACTOR);
  const summary = `TTL ${ttl} s (${whose}), etcd's minimum is ${minTtl} s`;
  if (ttl < minTtl) return warn(`${summary}: a crashed leader's key stays for ${minTtl} s`);
  if (ttl < enough) {
    return warn(`${summary}: leadership may be lost when etcd changes its raft leader; ${enough} s would be enough`);
  }
  return ok(summary);
}

function checkQueue(queue: Queue, election: string): Finding[] {
  const findings: Finding[] = [];
  const inner = queue.filter(({ key }) =>
    key.startsWith(`${election}/`) && key.slice(election.length + 1).includes("/")
  );
  if (inner.length > 0) {
    const names = new Set(inner.map(({ key }) => key.slice(0, key.lastIndexOf("/"))));
    findings.push(
      fail(
        `election ${election} contains another election's keys and counts them as its own: ${[...names].join(", ")}`,
      ),
    );
  }
  const leftovers = queue.filter(({ leaseless }) => leaseless);
  findings.push(...leftovers.slice(0, MAX_LEFTOVERS).map((one) => fail(`${one.id}: ${leftoverProblem(one)}`)));
  if (leftovers.length > MAX_LEFTOVERS) findings.push(fail(`${leftovers.length} keys have no lease`));
  if (queue.length === 0) findings.push(warn("the queue is empty"));
  else if (queue.length === 1) {
    findings.push(warn(`${queue[0]!.id} is the only candidate: no other node could take over`));
  } else findings.push(ok(`${queue.length} candidates, ${queue[0]!.id} is first`));
  const duplicates = queue.map(({ id }) => id).filter((id, index, ids) => ids.indexOf(id) < index);
  if (duplicates.length > 0) {
    const names = [...new Set(duplicates)].join(", ");
    findings.push(
      fail(
        `several candidates have the id ${names}: give each node its own --id, or, if it has just been restarted ` +
          `after a crash, wait one TTL`,
      ),
    );
  }
  const foreign = queue.filter(({ priority }) => priority === undefined);
  if (foreign.length > 0) {
    findings.push(
      warn(
        `candidates from other programs do not follow leader-node's stop rule: ${
          foreign.map(({ id }) => id).join(", ")
        }`,
      ),
    );
  }
  return findings;
}

function checkNode({ candidate: { id }, answer, problem }: NodeReport<NodeStatus>): Finding[] {
  if (!answer) return [warn(`node ${id}: ${problem}`)];
  const { node, timestamp, version, role } = answer.body;
  if (node !== id) return [warn(`node ${id}: its URL is answered by ${node}`)];
  const offset = timestamp - answer.at;
  const summary = `node ${id}: ${role}, version ${version}, latency ${answer.tookMs.toFixed(0)} ms, clock ${
    Math.abs(offset).toFixed(0)
  } ms ${offset < 0 ? "behind" : "ahead"}`;
  if (Math.abs(offset) <= MAX_CLOCK_OFFSET_MS) return [ok(summary)];
  return [warn(`${summary}: the election is not affected, but the times in its logs are wrong`)];
}

function isFixed(version: string, fixed: readonly string[]): boolean {
  const [major, minor, patch] = version.split(".").map((part) => parseInt(part));
  for (const release of fixed) {
    const [m, n, p] = release.split(".").map(Number);
    if (major === m && minor === n) return patch! >= p!;
  }
  const newest = fixed.at(-1)?.split(".").map(Number);
  if (!newest) return false;
  return major! > newest[0]! || (major === newest[0] && minor! > newest[1]!);
}

function latency(tookMs: readonly number[]): string {
  const sorted = [...tookMs].sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!.toFixed(1);
  return `${at(0.5)} ms (p99 ${at(0.99)} ms)`;
}

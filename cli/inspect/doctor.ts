import type { Queue } from "../../election/mod.ts";
import { leftoverProblem } from "../../http/leftover.ts";
import type { EtcdFacts, MemberFacts } from "./etcd_facts.ts";
import type { NodeStatus } from "./node_answers.ts";
import type { NodeReport } from "./status.ts";
import { paint, type Show } from "./table.ts";

/** Everything that the doctor checks. */
export interface Facts {
  readonly election: string;
  /** The nodes' TTL, in seconds. */
  readonly ttl: number;
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

/** Known lease bugs of etcd, and the versions that fix them. */
const LEASE_BUGS = [
  { fixed: ["3.4.31", "3.5.13", "3.6.0"], what: "a stuck former raft leader keeps renewing and revoking leases" },
  { fixed: ["3.4.38", "3.5.23", "3.6.5"], what: "the renewal of a revoked lease succeeds" },
] as const;

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
    ...checkTtl(facts),
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

function checkMember({ endpoint, problem, version, id, leader, alarms, tookMs }: MemberFacts): Finding {
  if (problem) return fail(problem);
  const role = version
    ? `version ${version}, ${id === leader ? "raft leader" : "member"}`
    : "version hidden from this user";
  const summary = `etcd at ${endpoint}: ${role}, latency ${latency(tookMs)}`;
  if (leader === "0") return fail(`${summary}; no raft leader, so no quorum`);
  return alarms.length > 0 ? fail(`${summary}; alarms: ${alarms.join(", ")}`) : ok(summary);
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
  const bugs = LEASE_BUGS.flatMap(({ fixed, what }) => {
    const affected = versions.filter((version) => !isFixed(version, fixed));
    if (affected.length === 0) return [];
    const effect = "leader-node is protected against it, other clients may not be";
    return [warn(`etcd ${affected.join(", ")}: ${what} (fixed in ${fixed.join(", ")}); ${effect}`)];
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

function checkTtl({ ttl, etcd: { minTtl } }: Facts): Finding[] {
  if (minTtl === undefined) return [];
  const enough = Math.ceil(minTtl * TTL_FACTOR);
  const summary = `TTL ${ttl} s, etcd's minimum is ${minTtl} s`;
  if (ttl < minTtl) return [warn(`${summary}: etcd raises it to ${minTtl} s`)];
  if (ttl < enough) {
    return [warn(`${summary}: leadership may be lost when etcd changes its raft leader; ${enough} s would be enough`)];
  }
  return [ok(summary)];
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
  const newest = fixed.at(-1)!.split(".").map(Number);
  return major! > newest[0]! || (major === newest[0] && minor! > newest[1]!);
}

function latency(tookMs: readonly number[]): string {
  const sorted = [...tookMs].sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!.toFixed(1);
  return `${at(0.5)} ms (p99 ${at(0.99)} ms)`;
}

import { Buffer } from "node:buffer";
import { credentialsOf, type GrpcClient, loadGrpcClient, storeError, systemClock } from "../../election/internal.ts";
import { etcdOptions } from "../etcd_files.ts";
import type { EtcdConfig } from "../etcd_flags.ts";

/** The state of one etcd member, or why it is unknown. */
export interface MemberFacts {
  readonly endpoint: string;
  readonly problem?: string;
  /** Absent, as is the raft leader, if this user has no permission to read it. */
  readonly version?: string;
  readonly id?: string;
  readonly cluster?: string;
  /** The id of the raft leader; "0" if the member knows none. */
  readonly leader?: string;
  /** Whether it takes no part in the cluster's votes yet. */
  readonly learner?: boolean;
  readonly alarms: readonly string[];
  /** The latency of each request, in milliseconds. */
  readonly tookMs: readonly number[];
}

/** The state of etcd, as far as this election needs it. */
export interface EtcdFacts {
  readonly members: readonly MemberFacts[];
  /** The latency of each linearizable read, in milliseconds. */
  readonly readsMs: readonly number[];
  readonly readProblem?: string;
  readonly writeProblem?: string;
  /** The minimum TTL that etcd grants, in seconds: 1.5 times its election timeout. */
  readonly minTtl?: number;
}

const TIMEOUT_MS = 3000;
const SAMPLES = 30;

/** Examines etcd without changing the election. */
export async function examineEtcd(config: EtcdConfig): Promise<EtcdFacts> {
  const members = await Promise.all(config.etcd.endpoints.map((endpoint) => examineMember(endpoint, config)));
  const alive = members.find(({ problem, leader, learner }) => problem === undefined && leader !== "0" && !learner) ??
    members.find(({ problem }) => problem === undefined);
  if (!alive) return { members, readsMs: [] };
  return { members, ...await examineAccess(alive.endpoint, config) };
}

function examineMember(endpoint: string, config: EtcdConfig): Promise<MemberFacts> {
  return withClient(endpoint, config, async ({ etcd }, deadline): Promise<MemberFacts> => {
    const prefix = Buffer.from(`${config.election}/`);
    const ask = () => etcd.kv.range({ key: prefix, count_only: true, serializable: true }, deadline());
    // The first call includes connecting, so it is not measured.
    const { header } = await ask();
    const { member_id: id, cluster_id: cluster } = header as unknown as Record<string, string>;
    const tookMs = await sample(ask);
    // Newer versions of etcd answer this to root only.
    const status = await etcd.maintenance.status(deadline()).catch(() => undefined);
    const { version, leader, errors, isLearner: learner } = status ?? {};
    return { endpoint, version, id, cluster, leader: leader && String(leader), learner, alarms: errors ?? [], tookMs };
  }).catch((error) => ({ endpoint, problem: storeError(error, endpoint).message, alarms: [], tookMs: [] }));
}

async function examineAccess(endpoint: string, config: EtcdConfig): Promise<Omit<EtcdFacts, "members">> {
  const prefix = Buffer.from(`${config.election}/`);
  const facts: { -readonly [Fact in keyof EtcdFacts]?: EtcdFacts[Fact] } = {};
  const attempt = (run: Parameters<typeof withClient<void>>[2]) =>
    withClient(endpoint, config, run).then(() => undefined, (error) => storeError(error, endpoint).message);
  facts.readProblem = await attempt(async ({ etcd }, deadline) => {
    const read = () => etcd.kv.range({ key: prefix, count_only: true }, deadline());
    await read();
    facts.readsMs = await sample(read);
  });
  facts.writeProblem = await attempt(async ({ etcd }, deadline) => {
    // etcd checks the permission for both branches, but the comparison never holds, so nothing is written.
    await etcd.kv.txn({
      compare: [{ key: prefix, target: "Create", result: "Greater", create_revision: "9000000000000000000" }],
      success: [{ request_put: { key: prefix } }, { request_range: { key: prefix } }],
    }, deadline());
    const { ID, TTL } = await etcd.lease.leaseGrant({ TTL: 1 }, deadline());
    await etcd.lease.leaseRevoke({ ID }, deadline());
    facts.minTtl = Number(TTL);
  });
  return { readsMs: [], ...facts };
}

async function withClient<T>(
  endpoint: string,
  { etcd }: EtcdConfig,
  run: (client: GrpcClient, deadline: () => { deadline: number }) => Promise<T>,
): Promise<T> {
  const { GrpcClient } = await loadGrpcClient();
  const credentials = await credentialsOf({ ...etcdOptions(etcd), transport: "grpc" });
  const client = new GrpcClient({ endpoint, credentials, clock: systemClock, onLeft: () => {} });
  try {
    await client.logIn(Date.now() + TIMEOUT_MS);
    return await run(client, () => ({ deadline: Date.now() + TIMEOUT_MS }));
  } finally {
    client.close();
  }
}

async function sample(ask: () => Promise<unknown>): Promise<number[]> {
  const took: number[] = [];
  for (let count = 0; count < SAMPLES; count++) {
    const began = performance.now();
    await ask();
    took.push(performance.now() - began);
  }
  return took;
}

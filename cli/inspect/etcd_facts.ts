import { Buffer } from "node:buffer";
import { type GrpcClient, loadGrpcClient, storeError, systemClock } from "../../election/internal.ts";
import type { EtcdConfig } from "../etcd_flags.ts";

/** What one member of etcd says of itself, or why it says nothing. */
export interface MemberFacts {
  readonly endpoint: string;
  readonly problem?: string;
  /** Absent, as is the raft leader, if this user may not ask for it. */
  readonly version?: string;
  readonly id?: string;
  readonly cluster?: string;
  /** The raft leader that it knows. */
  readonly leader?: string;
  readonly alarms: readonly string[];
  /** Milliseconds that it took to answer, each time. */
  readonly tookMs: readonly number[];
}

/** What etcd can do for this election now. */
export interface EtcdFacts {
  readonly members: readonly MemberFacts[];
  /** Milliseconds that reads took which need a quorum. */
  readonly readsMs: readonly number[];
  readonly readProblem?: string;
  readonly writeProblem?: string;
  /** The least TTL that etcd grants, in seconds: one and a half of its election timeouts. */
  readonly leastTtl?: number;
}

const TIMEOUT_MS = 3000;
const SAMPLES = 30;

/** Finds out about etcd, without touching the election. */
export async function examineEtcd(config: EtcdConfig): Promise<EtcdFacts> {
  const members = await Promise.all(config.etcd.endpoints.map((endpoint) => examineMember(endpoint, config)));
  const alive = members.find(({ problem, leader }) => problem === undefined && leader !== "0") ??
    members.find(({ problem }) => problem === undefined);
  if (!alive) return { members, readsMs: [] };
  return { members, ...await examineUse(alive.endpoint, config) };
}

function examineMember(endpoint: string, config: EtcdConfig): Promise<MemberFacts> {
  return withClient(endpoint, config, async ({ etcd }, deadline): Promise<MemberFacts> => {
    const prefix = Buffer.from(`${config.election}/`);
    const ask = () => etcd.kv.range({ key: prefix, count_only: true, serializable: true }, deadline());
    // The first call connects.
    const { header } = await ask();
    const { member_id: id, cluster_id: cluster } = header as unknown as Record<string, string>;
    const tookMs = await sample(ask);
    // Newer versions tell this to root only.
    const status = await etcd.maintenance.status(deadline()).catch(() => undefined);
    const { version, leader, errors } = status ?? {};
    return { endpoint, version, id, cluster, leader: leader && String(leader), alarms: errors ?? [], tookMs };
  }).catch((error) => ({ endpoint, problem: storeError(error, endpoint).message, alarms: [], tookMs: [] }));
}

async function examineUse(endpoint: string, config: EtcdConfig): Promise<Omit<EtcdFacts, "members">> {
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
    // etcd checks the permission for what it would do, and does it only if a key from the far future is there.
    await etcd.kv.txn({
      compare: [{ key: prefix, target: "Create", result: "Greater", create_revision: "9000000000000000000" }],
      success: [{ request_put: { key: prefix } }, { request_range: { key: prefix } }],
    }, deadline());
    const { ID, TTL } = await etcd.leaseClient.leaseGrant({ TTL: 1 }, deadline());
    await etcd.leaseClient.leaseRevoke({ ID }, deadline());
    facts.leastTtl = Number(TTL);
  });
  return { readsMs: [], ...facts };
}

async function withClient<T>(
  endpoint: string,
  { etcd: { tls, user } }: EtcdConfig,
  run: (client: GrpcClient, deadline: () => { deadline: number }) => Promise<T>,
): Promise<T> {
  const { GrpcClient } = await loadGrpcClient();
  const client = new GrpcClient({ endpoint, credentials: { tls, user }, clock: systemClock, onLeft: () => {} });
  try {
    await client.logIn(TIMEOUT_MS);
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

/**
 * `deno run -A dev/bench/guard.ts [--rounds N]`: what a guard costs as the linearizable read that it is, and as a
 * transaction that goes through etcd's log, of one member and of three.
 */
import { checkEtcdOptions, EtcdLink, keyBytes } from "../../election/internal.ts";
import { endTogether } from "../children.ts";
import { LocalEtcd } from "../local_etcd.ts";
import { readNumbers } from "../number_flags.ts";
import { row, type Samples } from "./samples.ts";

const PATIENCE = { timeoutMs: 5000, firstTimeoutMs: 5000 };
const KEY = keyBytes("guard/1");

type Transaction = Parameters<Parameters<Parameters<EtcdLink["call"]>[0]>[0]["txn"]>[0];

/** etcd decides by both branches whether a transaction writes: the second one is never taken while the key is there. */
const READ: Transaction = {
  compare: [{ key: KEY, target: "Create", result: "Equal", create_revision: "2" }],
  success: [{ request_range: { key: KEY, keys_only: true } }],
};
const THROUGH_LOG: Transaction = { ...READ, failure: [{ request_delete_range: { key: KEY } }] };

const { rounds } = readNumbers("deno run -A dev/bench/guard.ts", { rounds: 500 });
endTogether();
console.log(
  "| guard | median, ms | p95, ms | times the read | bytes of log for each |\n| --- | ---: | ---: | ---: | ---: |",
);
for (const size of [1, 3]) {
  const members = await LocalEtcd.prepareCluster(size);
  await Promise.all(members.map((member) => member.start()));
  const link = new EtcdLink(checkEtcdOptions({ endpoints: [members[0]!.endpoint] }));
  const put = { request_put: { key: KEY, value: KEY } };
  await link.call((client) => client.txn({ compare: [], success: [put] }, PATIENCE));
  const asRead = await measure(link, READ);
  const before = await logBytes(members[0]!);
  const throughLog = await measure(link, THROUGH_LOG);
  const bytes = Math.round((await logBytes(members[0]!) - before) / rounds);
  const of = size === 1 ? "one member" : `${size} members`;
  console.log(`${row(`read, ${of}`, asRead)} 0 |`);
  console.log(`${row(`through the log, ${of}`, throughLog, asRead)} ${bytes} |`);
  await link.close();
  await Promise.all(members.map((member) => member[Symbol.asyncDispose]()));
}

async function measure(link: EtcdLink, transaction: Transaction): Promise<Samples> {
  const took: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const from = performance.now();
    const { succeeded } = await link.call((client) => client.txn(transaction, PATIENCE));
    if (!succeeded) throw new Error("the key is not there");
    took.push(performance.now() - from);
  }
  return took;
}

/** What etcd has written to its log, by its own count. */
async function logBytes({ endpoint }: LocalEtcd): Promise<number> {
  const metrics = await (await fetch(`${endpoint}/metrics`)).text();
  return Number(/^etcd_disk_wal_write_bytes_total (\S+)$/m.exec(metrics)?.[1]);
}

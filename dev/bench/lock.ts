/**
 * `deno run -A dev/bench/lock.ts [--rounds N]`: to take a free lock and to release it, beside etcd3's own lock, in turns.
 * All of them are connected before. etcd3's lock has a key and a lease, too, but nobody can wait for it.
 */
import { Etcd3 } from "etcd3";
import { Connection, type TransportName, withLock } from "../../election/mod.ts";
import { endTogether } from "../children.ts";
import { LocalEtcd } from "../local_etcd.ts";
import { readNumbers } from "../number_flags.ts";
import { row } from "./samples.ts";

/** Longer than it takes to revoke the lease of the lock before, which nobody waits for. */
const PAUSE_MS = 60;

const { rounds } = readNumbers("deno run -A dev/bench/lock.ts", { rounds: 200 });
endTogether();
await using etcd = await LocalEtcd.start();
const theirs = new Etcd3({ hosts: etcd.endpoint });
const connections = (["grpc", "gateway"] satisfies TransportName[]).map((transport) =>
  [transport, new Connection({ endpoints: [etcd.endpoint], transport })] as const
);
const locks: [name: string, lock: () => Promise<unknown>][] = [
  ["etcd3's lock", () => theirs.lock("theirs").ttl(5).do(() => {})],
  ...connections.map(([transport, connection]): typeof locks[number] => [
    `withLock by ${transport}`,
    () => withLock(`ours/${transport}`, () => {}, { connection }),
  ]),
];
const took = locks.map((): number[] => []);
// The first round connects, and compiles.
for (let round = -5; round < rounds; round++) {
  for (const [index, [, lock]] of locks.entries()) {
    const from = performance.now();
    await lock();
    if (round >= 0) took[index]!.push(performance.now() - from);
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}
for (const [, connection] of connections) await connection.close();
theirs.close();
console.log("| take and release a lock | median, ms | p95, ms | times etcd3's |\n| --- | ---: | ---: | ---: |");
for (const [index, [name]] of locks.entries()) console.log(row(name, took[index]!, took[0]));

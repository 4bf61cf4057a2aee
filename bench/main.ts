/**
 * `deno task bench [--rounds N]`: how long things take, on this machine, now. Prints medians and 95th percentiles, and
 * how they compare with the least that etcd, or a bare Deno, needs for them in the same run.
 */
import { parseArgs } from "@std/cli";
import { makeExecutable } from "../dev/compile.ts";
import { LocalEtcd } from "../dev/local_etcd.ts";
import { checkAccess } from "../election/access.ts";
import { keyBytes } from "../election/etcd_client.ts";
import { EtcdLink } from "../election/etcd_link.ts";
import { Running } from "./running.ts";
import { row, type Samples } from "./samples.ts";

const { rounds: given = "20" } = parseArgs(Deno.args, {
  string: ["rounds"],
  unknown: (arg) => {
    console.error(`usage: deno task bench [--rounds N], not ${JSON.stringify(arg)}`);
    Deno.exit(2);
  },
});
const rounds = Number(given);
if (!(Number.isInteger(rounds) && rounds > 0)) {
  console.error(`bench: --rounds cannot be "${given}": expected a whole number above 0`);
  Deno.exit(2);
}

const folder = await Deno.makeTempDir({ prefix: "leader-node-bench-" });
const executable = `${folder}/leader-node`;
await makeExecutable(executable, {});

/** From a delete to the event of a watch: nobody can take over sooner. */
async function floor(etcd: LocalEtcd): Promise<Samples> {
  const link = new EtcdLink(checkAccess({ endpoints: [etcd.endpoint] }));
  const key = keyBytes("floor/key");
  let gone = Promise.withResolvers<void>();
  const listed = Promise.withResolvers<void>();
  const close = link.watch({
    prefix: "floor/",
    probeEveryMs: 1000,
    timeoutMs: 1000,
    notify: (notice) => {
      if (notice.type === "listed") listed.resolve();
      if (notice.type === "changed" && notice.queue.length === 0) gone.resolve();
    },
  });
  await listed.promise;
  const took: number[] = [];
  for (let round = 0; round < rounds; round++) {
    await link.call((client) => client.txn({ compare: [], success: [{ request_put: { key, value: key } }] }, 1000));
    await new Promise((resolve) => setTimeout(resolve, 500));
    gone = Promise.withResolvers();
    const from = performance.now();
    const deleted = link.call((client) =>
      client.txn({ compare: [], success: [{ request_delete_range: { key } }] }, 1000)
    );
    await Promise.all([deleted, gone.promise]);
    took.push(performance.now() - from);
  }
  close();
  await link.close();
  return took;
}

/** From a signal to the leader until another node says that it leads. */
async function takeover(etcd: LocalEtcd, signal: "SIGTERM" | "SIGKILL", ...flags: string[]): Promise<Samples> {
  const start = () => Running.start(executable, etcd, flags);
  let nodes = [start(), start(), start()];
  const took: number[] = [];
  let leader = await Running.leaderOf(nodes);
  for (let round = 0; round < rounds; round++) {
    await new Promise((resolve) => setTimeout(resolve, 1000 + Math.random() * 1000));
    const others = nodes.filter((node) => node !== leader);
    const from = performance.now();
    leader.kill(signal);
    const next = await Running.leaderOf(others);
    took.push(performance.now() - from);
    await leader.ended;
    leader = next;
    nodes = [...others, start()];
  }
  await Promise.all(nodes.map((node) => node.stop()));
  return took;
}

/** From the start of the process to its first answer, and to its first "leader". */
async function starts(etcd: LocalEtcd): Promise<[Samples, Samples]> {
  const [answers, leads]: [number[], number[]] = [[], []];
  for (let round = 0; round < rounds; round++) {
    const from = performance.now();
    const node = Running.start(executable, etcd, []);
    await node.answers(() => true);
    answers.push(performance.now() - from);
    await node.answers((text) => text === "I am the leader\n");
    leads.push(performance.now() - from);
    await node.stop();
  }
  return [answers, leads];
}

/** From the start of a bare server to its first answer. */
async function bareStarts(): Promise<Samples> {
  const took: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const from = performance.now();
    const server = Running.bare(folder);
    await server.answers(() => true);
    took.push(performance.now() - from);
    await server.stop();
  }
  return took;
}

/** Resident memory of a node that has led for a while, in MB. */
async function memory(etcd: LocalEtcd, ...flags: string[]): Promise<Samples> {
  const node = Running.start(executable, etcd, flags);
  await node.answers((text) => text === "I am the leader\n");
  await new Promise((resolve) => setTimeout(resolve, 10_000));
  const mb = node.residentMb();
  await node.stop();
  return [mb];
}

{
  await using etcd = await LocalEtcd.start();
  console.log("| measure | median | p95 | times the least |\n| --- | ---: | ---: | ---: |");
  const least = await floor(etcd);
  console.log(row("etcd: delete to event, ms", least));
  console.log(row("handoff at SIGTERM, ms", await takeover(etcd, "SIGTERM"), least));
  console.log(row("kill -9, with a watchdog, ms", await takeover(etcd, "SIGKILL", "--watchdog"), least));
  const bare = await bareStarts();
  console.log(row("bare Deno.serve: start to first answer, ms", bare));
  const [answers, leads] = await starts(etcd);
  console.log(row("start to first answer, ms", answers, bare));
  console.log(row("start to leader, ms", leads, bare));
  console.log(row("memory of an idle leader, MB", await memory(etcd)));
}
await Deno.remove(folder, { recursive: true });

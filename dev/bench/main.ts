/**
 * `deno task bench [--rounds N]`: how long things take, on this machine, now. Prints medians and 95th percentiles, and
 * how they compare with the least that etcd, or a bare Deno, needs for them in the same run.
 */
import { endTogether } from "../children.ts";
import { LocalEtcd } from "../local_etcd.ts";
import { readNumbers } from "../number_flags.ts";
import { checkEtcdOptions, EtcdLink, keyBytes } from "../../election/internal.ts";
import { executableOfNow } from "./executable.ts";
import { ServerProcess } from "./server_process.ts";
import { row, type Samples } from "./samples.ts";
import { takeover } from "./takeover.ts";

const { rounds } = readNumbers("deno task bench", { rounds: 20 });
endTogether();
const { path: executable, folder } = await executableOfNow();

/** From a delete to the event of a watch: nobody can take over sooner. */
async function floor(etcd: LocalEtcd): Promise<Samples> {
  const link = new EtcdLink(checkEtcdOptions({ endpoints: [etcd.endpoint] }));
  const key = keyBytes("floor/key");
  let gone = Promise.withResolvers<void>();
  const listed = Promise.withResolvers<void>();
  const close = link.watch({
    prefix: "floor/",
    probeEveryMs: 1000,
    patience: { timeoutMs: 1000, firstTimeoutMs: 1000 },
    notify: (notice) => {
      if (notice.type === "listed") listed.resolve();
      if (notice.type === "changed" && notice.queue.length === 0) gone.resolve();
    },
  });
  await listed.promise;
  const took: number[] = [];
  for (let round = 0; round < rounds; round++) {
    await link.call((client) =>
      client.txn({ compare: [], success: [{ request_put: { key, value: key } }] }, {
        timeoutMs: 1000,
        firstTimeoutMs: 1000,
      })
    );
    await new Promise((resolve) => setTimeout(resolve, 500));
    gone = Promise.withResolvers();
    const from = performance.now();
    const deleted = link.call((client) =>
      client.txn({ compare: [], success: [{ request_delete_range: { key } }] }, {
        timeoutMs: 1000,
        firstTimeoutMs: 1000,
      })
    );
    await Promise.all([deleted, gone.promise]);
    took.push(performance.now() - from);
  }
  close();
  await link.close();
  return took;
}

/** From the start of the process to its first answer, and to its first "leader". */
async function starts(start: () => ServerProcess): Promise<[Samples, Samples]> {
  const [answers, leads]: [number[], number[]] = [[], []];
  for (let round = 0; round < rounds; round++) {
    const from = performance.now();
    const node = start();
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
    const server = ServerProcess.bare(folder);
    await server.answers(() => true);
    took.push(performance.now() - from);
    await server.stop();
  }
  return took;
}

/** A handoff and nothing else: what is left is for the election. */
async function bareHandoffs(etcd: LocalEtcd): Promise<Samples> {
  const link = new EtcdLink(checkEtcdOptions({ endpoints: [etcd.endpoint] }));
  const took: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const key = `bare/${round}`;
    const put = { request_put: { key: keyBytes(key), value: keyBytes(key) } };
    await link.call((client) => client.txn({ compare: [], success: [put] }, { timeoutMs: 1000, firstTimeoutMs: 1000 }));
    const [leader, next] = [ServerProcess.bareNode(etcd, key, "leader"), ServerProcess.bareNode(etcd, key, "next")];
    await Promise.all([leader, next].map((node) => node.answers(() => true)));
    await new Promise((resolve) => setTimeout(resolve, 1000 + Math.random() * 1000));
    const from = performance.now();
    leader.kill("SIGTERM");
    await next.answers((text) => text === "I am the leader\n");
    took.push(performance.now() - from);
    await leader.ended;
    next.kill("SIGKILL");
    await next.ended;
  }
  await link.close();
  return took;
}

/** Resident memory of a node that has led for a while, in MB. */
async function memory(start: () => ServerProcess): Promise<Samples> {
  const node = start();
  await node.answers((text) => text === "I am the leader\n");
  await new Promise((resolve) => setTimeout(resolve, 10_000));
  const mb = node.residentMb();
  await node.stop();
  return [mb];
}

{
  await using etcd = await LocalEtcd.start();
  console.log("| measure | median | p95 | times the least |\n| --- | ---: | ---: | ---: |");
  const bareHandoff = await bareHandoffs(etcd);
  const bare = await bareStarts();
  console.log(row("etcd: delete to event, ms", await floor(etcd)));
  console.log(row("two bare Deno programs: handoff at SIGTERM, ms", bareHandoff));
  console.log(row("bare Deno.serve: start to first answer, ms", bare));
  for (const transport of ["grpc", "gateway"]) {
    const start = (...flags: string[]) => ServerProcess.start(executable, etcd, ["--transport", transport, ...flags]);
    const tell = (what: string, samples: Samples, least?: Samples) =>
      console.log(row(`by ${transport}: ${what}`, samples, least));
    tell("handoff at SIGTERM, ms", await takeover(rounds, "SIGTERM", () => start()), bareHandoff);
    tell("kill -9, with a watchdog, ms", await takeover(rounds, "SIGKILL", () => start("--watchdog")), bareHandoff);
    const [answers, leads] = await starts(() => start());
    tell("start to first answer, ms", answers, bare);
    tell("start to leader, ms", leads, bare);
    tell("memory of an idle leader, MB", await memory(() => start()));
  }
}

/**
 * `deno run -A dev/bench/cost.ts [--seconds S]`: what each piece of the library costs etcd, in connections and messages,
 * by the counts of a proxy and of etcd itself.
 */
import {
  Connection,
  Election,
  type ElectionView,
  findLeader,
  observe,
  type TransportName,
  withLock,
} from "../../election/mod.ts";
import { Proxy } from "../../tests/support/proxy.ts";
import { endTogether } from "../children.ts";
import { LocalEtcd } from "../local_etcd.ts";
import { readNumbers } from "../number_flags.ts";

const { seconds } = readNumbers("deno run -A dev/bench/cost.ts", { seconds: 20 });
endTogether();
await using etcd = await LocalEtcd.start();
await using proxy = new Proxy(etcd.port);

/** How many messages etcd has got from its clients, those of its gateway included. */
async function messages(): Promise<number> {
  const metrics = await (await fetch(`${etcd.endpoint}/metrics`)).text();
  const counts = [...metrics.matchAll(/^grpc_server_msg_received_total\{.*\} (\S+)$/gm)].map(([, count]) =>
    Number(count)
  );
  return counts.reduce((sum, count) => sum + count, 0);
}

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** How many messages come while something runs, and within half a second after it. */
async function count(run: () => Promise<unknown>): Promise<number> {
  await sleep(500);
  const before = await messages();
  await run();
  await sleep(500);
  return await messages() - before;
}

async function following(election: ElectionView): Promise<void> {
  for await (const { leader } of election) if (leader) return;
}

console.log(
  "| piece | messages to etcd | a second, as long as it stands | connections |\n| --- | ---: | ---: | ---: |",
);
for (const transport of ["grpc", "gateway"] satisfies TransportName[]) {
  const row = (what: string, ...cells: unknown[]) => console.log(`| ${transport}: ${what} | ${cells.join(" | ")} |`);

  // What is done once, beside elections that hardly send anything by themselves.
  await using quiet = new Connection({ endpoints: [proxy.endpoint], transport });
  const options = { connection: quiet, ttlSeconds: 3600 };
  const name = `once by ${transport}`;
  let [a, b]: Election[] = [];
  await withLock("connects", () => {}, options);
  const once: [what: string, run: () => unknown][] = [
    ["`Election`, until it leads", () => (a = new Election({ name, ...options })).ready()],
    ["`Election`, until it waits", () => following(b = new Election({ name, ...options }))],
    ["`state` and `status`", () => [a!.state, a!.status]],
    ["`findLeader`", () => findLeader({ name, ...options })],
    ["`withLock`, taken and released", () => withLock("lock", () => {}, options)],
    ["`update`", () => a!.update({ meta: { zone: "b" } })],
    ["`resign`, until the next one leads", () => Promise.all([a!.resign(), b!.ready()])],
  ];
  for (const [what, run] of once) {
    row(what, await count(async () => await run()), "", "");
  }
  await Promise.all([a!.stop(), b!.stop()]);
  await quiet.close();

  // What stands, with the usual TTL. Each adds to the messages of those before it.
  await using connection = new Connection({ endpoints: [proxy.endpoint], transport });
  let before = 0;
  const standing: ElectionView[] = [];
  const stand = <E extends ElectionView>(election: E): E => {
    standing.push(election);
    return election;
  };
  const stands: [what: string, begin: () => Promise<unknown>][] = [
    ["`Election` that leads, with the connection", () => stand(new Election({ name: "jobs", connection })).ready()],
    ["another one, over the same connection", () => stand(new Election({ name: "more", connection })).ready()],
    ["`Election` that waits", () => following(stand(new Election({ name: "jobs", connection })))],
    ["`observe`", () => following(stand(observe({ name: "more", connection })))],
  ];
  for (const [what, begin] of stands) {
    await begin();
    const idle = await count(() => sleep(seconds * 1000)) / (seconds + 0.5);
    row(what, "", (idle - before).toFixed(1), proxy.connections);
    before = idle;
  }
  await Promise.all(standing.map((election) => election.stop()));
}

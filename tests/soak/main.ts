/**
 * `deno task soak --minutes M`: leadership changes and lost connections in one process, as fast as they go,
 * and whether memory, open files, and etcd's leases and watchers end where they began.
 */
import { endTogether } from "../../dev/children.ts";
import { LocalEtcd } from "../../dev/local_etcd.ts";
import { Candidate } from "../support/candidate.ts";
import { readNumbers } from "../../dev/number_flags.ts";
import { Proxy } from "../support/proxy.ts";
import { leads } from "../support/until.ts";

const CUT_EVERY = 25;
/** How often etcd says goodbye and comes back. */
const RESTART_EVERY = 700;
/** Not a multiple of `CUT_EVERY`: right after a cut there are fewer connections than usual. */
const WARM_UP_CHANGES = 310;
/** What may be more at the end than after the warm-up: a heap breathes, a connection may just be changing. */
const MAX_HEAP_GROWTH = 8e6;
const MAX_MORE_FILES = 8;

interface Footprint {
  readonly heapBytes: number;
  readonly rssBytes: number;
  readonly openFiles: number;
  readonly leases: number;
  readonly watchers: number;
}

async function footprint(etcd: LocalEtcd): Promise<Footprint> {
  const { gc } = globalThis as { gc?: () => void };
  gc?.();
  const { heapUsed, rss } = Deno.memoryUsage();
  const metrics = await (await fetch(`${etcd.endpoint}/metrics`)).text();
  const watchers = /^etcd_debugging_mvcc_watcher_total (\S+)/m.exec(metrics)?.[1];
  const leases = /found (\d+) leases/.exec(await etcd.ctl("lease", "list"))?.[1];
  return {
    heapBytes: heapUsed,
    rssBytes: rss,
    openFiles: [...Deno.readDirSync("/proc/self/fd")].length,
    leases: Number(leases),
    watchers: Number(watchers),
  };
}

function show(changes: number, { heapBytes, rssBytes, openFiles, leases, watchers }: Footprint): void {
  const mb = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;
  console.log(
    `${changes} changes: heap ${mb(heapBytes)}, RSS ${
      mb(rssBytes)
    }, ${openFiles} files, ${leases} leases, ${watchers} watchers`,
  );
}

const { minutes } = readNumbers("deno task soak", { minutes: 10 });
endTogether();
const until = performance.now() + minutes * 60_000;

await using etcd = await LocalEtcd.start();
await using proxy = new Proxy(etcd.port);
const a = new Candidate(etcd, "a", { endpoints: [proxy.endpoint] });
await leads(a);
const b = new Candidate(etcd, "b", { endpoints: [proxy.endpoint] });
await a.sees(/a,b/);

let changes = 0;
let before: Footprint | undefined;
let told = performance.now();
let [leader, other] = [a, b];
while (performance.now() < until || !before) {
  const next = leads(other);
  await leader.resign();
  await next;
  [leader, other] = [other, leader];
  await leader.sees(/,/);
  changes++;
  if (changes % CUT_EVERY === 0) proxy.cut();
  if (changes % RESTART_EVERY === 0) {
    await etcd.stop();
    await etcd.start();
  }
  if (changes === WARM_UP_CHANGES) show(changes, before = await footprint(etcd));
  if (performance.now() - told > 15_000) {
    told = performance.now();
    show(changes, await footprint(etcd));
  }
}
const after = await footprint(etcd);
show(changes, after);
await Promise.all([a.stop(), b.stop()]);
const grown = [
  after.heapBytes - before.heapBytes > MAX_HEAP_GROWTH && "the heap",
  after.openFiles - before.openFiles > MAX_MORE_FILES && "open files",
  after.leases > 4 && "leases",
  after.watchers > 4 && "watchers",
].filter(Boolean);
if (grown.length > 0) {
  console.error(`soak: grown beyond measure: ${grown.join(", ")}`);
  Deno.exitCode = 1;
}

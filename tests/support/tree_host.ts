/**
 * A process that starts commands and owns their process trees, as a node or a watchdog does. It serves orders on a
 * port that it prints: see `TreeHost` in tree.ts.
 */
import { Cgroup } from "../../supervise/cgroup.ts";
import { exitOf, type ExitStatus } from "../../supervise/exit_status.ts";
import { becomeSubreaper } from "../../supervise/libc.ts";
import { ProcessTree, type Refusal, RUN_VARIABLE } from "../../supervise/process_tree.ts";
import { Reaper } from "../../supervise/reaper.ts";
import { TreeHost, type TreeHostOptions } from "./tree.ts";

const options: TreeHostOptions = JSON.parse(Deno.args[0]!);
const own = new Set<number>();
const exits: Record<number, ExitStatus> = {};
const reaped: Record<number, ExitStatus> = {};
const refusals: Refusal[][] = [];
let host: TreeHost | undefined;
let longestGap = 0;

if (options.subreaper) {
  const become = becomeSubreaper();
  if (!become.ok) throw new Error(become.reason);
}
const reaper = options.reap
  ? Reaper.start({
    isOwn: (pid) => own.has(pid) || pid === host?.pid,
    reaped: (pid, exit) => {
      reaped[pid] = exit;
      tree.poke();
    },
  })
  : undefined;
const cgroup = options.cgroup ? Cgroup.create(options.cgroup) : undefined;
const tree = new ProcessTree({
  mark: options.mark,
  adopters: () => [...(host ? [host.pid] : []), Deno.pid, ...options.adopters],
  foreign: () => options.foreign,
  mayEscape: () => options.mayEscape,
  cgroup,
});

const orders: Record<string, (body: Record<string, unknown>) => unknown> = {
  async spawn({ argv, other }) {
    const [program, ...args] = argv as string[];
    const child = new Deno.Command(program!, {
      args,
      env: other ? {} : { [RUN_VARIABLE]: options.mark },
      stdin: "null",
      stdout: "null",
      stderr: "inherit",
      detached: true,
    }).spawn();
    own.add(child.pid);
    exitOf(child).then((exit) => {
      exits[child.pid] = exit;
      reaper?.reap();
      tree.poke();
    });
    if (other) options.foreign.push(child.pid);
    else {
      await cgroup?.add(child.pid);
      tree.add(child.pid);
    }
    return child.pid;
  },
  async host({ options }) {
    host = await TreeHost.start(options as Partial<TreeHostOptions>);
    return { pid: host.pid, port: host.port };
  },
  add: ({ pid }) => tree.add(pid as number),
  look: () => tree.look(),
  signal: ({ signal }) => tree.signal(signal as Deno.Signal),
  ended: ({ ms }) => tree.ended(ms as number),
  /** The same while no file can be opened. */
  async endedWithoutFiles({ ms }) {
    const held: Deno.FsFile[] = [];
    try {
      for (;;) held.push(Deno.openSync("/dev/null"));
    } catch {
      // None is left.
    }
    const alive = await tree.isAlive();
    const ended = await tree.ended(ms as number);
    for (const file of held) file.close();
    return { alive, ended };
  },
  kill: () => tree.kill((refused) => refusals.push([...refused])),
  state: () => ({ exits, reaped, refusals, cgroup: cgroup?.pids(), longestGap }),
  async timed({ times }) {
    const one = async (work: () => unknown) => {
      const from = performance.now();
      await work();
      return performance.now() - from;
    };
    const took: number[] = [];
    longestGap = 0;
    for (let i = 0; i < (times as number); i++) took.push(await one(() => tree.look()));
    return took;
  },
  close: () => cgroup?.remove(),
};

let last = performance.now();
setInterval(() => {
  longestGap = Math.max(longestGap, performance.now() - last - 1);
  last = performance.now();
}, 1);

Deno.serve({
  port: 0,
  hostname: "127.0.0.1",
  onListen: ({ port }) => console.log(port),
}, async (request) => {
  const order = orders[new URL(request.url).pathname.slice(1)]!;
  return Response.json(await order(await request.json()) ?? null);
});

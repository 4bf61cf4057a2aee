import { assertEquals, assertStringIncludes } from "@std/assert";
import { fileURLToPath } from "node:url";
import { LocalEtcd } from "../dev/local_etcd.ts";
import { Program } from "./support/program.ts";
import { zombiesOf } from "./support/tree.ts";

const MAIN = fileURLToPath(new URL("../main.ts", import.meta.url));
const LINUX = Deno.build.os === "linux";
const ORPHANS = 5;

function childrenOf(pid: number): number[] {
  return Deno.readTextFileSync(`/proc/${pid}/task/${pid}/children`).split(" ").filter(Boolean).map(Number);
}

/** Starts a node without a command, as the last words of a command line, and waits until it leads. */
async function leader(etcd: LocalEtcd, before: string[], flags: string[]): Promise<Program> {
  const node = [Deno.execPath(), "run", "-A", "--quiet", MAIN, "--port", "0", "--endpoints", etcd.endpoint];
  const [program, ...args] = [...before, ...node, ...flags];
  const started = Program.start(program!, args);
  await started.until("the lead", () => Promise.resolve(started.output.includes(" leading ")));
  return started;
}

/** Ends processes that have come to a node, and waits until it has reaped them. */
async function reaped(node: Program, parent: number, pids: readonly number[]): Promise<void> {
  for (const pid of pids) Deno.kill(pid, "SIGKILL");
  await node.until("no orphans", () => Promise.resolve(!childrenOf(parent).some((pid) => pids.includes(pid))));
  await node.until("no zombies", () => Promise.resolve(zombiesOf(parent).length === 0));
}

for (const flags of [[], ["--watchdog"]]) {
  Deno.test({
    name: `a node without a command as PID 1 of a container reaps all orphans, with the flags [${flags}]`,
    ignore: !LINUX || Deno.uid() !== 0,
    async fn() {
      await using etcd = await LocalEtcd.start();
      const container = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"];
      await using node = await leader(etcd, container, flags);
      const [first] = childrenOf(node.pid);
      const own = childrenOf(first!);
      const orphans = () => childrenOf(first!).filter((pid) => !own.includes(pid));
      const start = `for i in $(seq ${ORPHANS}); do (setsid sleep 30 >/dev/null 2>&1 &); done`;
      await Program.run("nsenter", ["--pid", "--mount", "--target", String(first), "sh", "-c", start]);
      await node.until("orphans", () => Promise.resolve(orphans().length === ORPHANS));
      if (flags.length > 0) {
        // Its own child is the runtime's to reap, which is told how it ended.
        Deno.kill(own[0]!, "SIGKILL");
        await node.until("the watchdog's end", () => Promise.resolve(node.output.includes("watchdog-ended")));
        assertStringIncludes(node.output, "watchdog-ended reason=SIGKILL");
      }
      await reaped(node, first!, orphans().filter((pid) => !own.includes(pid)).slice(0, ORPHANS));
      Deno.kill(first!, "SIGTERM");
      assertEquals((await node.drained).code, 0);
    },
  });
}

Deno.test({
  name: "a node without a command reaps the children of a shell that it has replaced",
  ignore: !LINUX,
  async fn() {
    await using etcd = await LocalEtcd.start();
    await using node = await leader(etcd, [
      "sh",
      "-c",
      'sleep 30 >/dev/null 2>&1 & sleep 30 >/dev/null 2>&1 & exec "$@"',
      "sh",
    ], []);
    const pids = childrenOf(node.pid);
    await reaped(node, node.pid, pids);
    await node.stop();
  },
});

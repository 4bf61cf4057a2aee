import { assert, assertEquals } from "@std/assert";
import { fileURLToPath } from "node:url";
import { LocalEtcd } from "../dev/local_etcd.ts";
import { freePort, hasProgram, Program } from "./support/program.ts";
import { TestNode } from "./support/node.ts";
import { lives, Pids } from "./support/tree.ts";

const MAIN = fileURLToPath(new URL("../main.ts", import.meta.url));
const TTL_MS = 2000;

/** Only root can make itself one who may not send signals to others. */
const ignore = Deno.build.os !== "linux" || Deno.uid() !== 0 || !hasProgram("setpriv");

/** A leader that may not kill a process of its command, which is another user's; and a node that waits. */
async function stage(etcd: LocalEtcd, pids: Pids, flags: string[]) {
  const port = freePort();
  const other = `setpriv --reuid=65534 --clear-groups ${pids.sleeper("other")}`;
  const node = Program.start("setpriv", [
    ...["--bounding-set=-kill", "--inh-caps=-kill", Deno.execPath(), "run", "-A", "--quiet", MAIN],
    ...["--log-format", "json", "--ttl", "2", "--port", String(port), "--hostname", "127.0.0.1"],
    ...["--endpoints", etcd.endpoint, ...flags],
    ...["--", "sh", "-c", `${other} & exec ${pids.sleeper("main")}`],
  ]);
  const says = (word: string) => node.until(word, () => Promise.resolve(node.output.includes(word)));
  const [pid, main] = await Promise.all([pids.of("other"), pids.of("main")]);
  const waiting = await TestNode.start(etcd, ["--ttl", "2"]);
  await waiting.logs("following");
  return { node, says, pid, main, waiting };
}

/** Milliseconds of processor time that a process has used. */
function cpuMs(pid: number): number {
  const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return 10 * (Number(fields[11]) + Number(fields[12]));
}

for (const flags of [["--watchdog"], ["--no-watchdog"]]) {
  Deno.test({
    name: `what may not be killed is named, and the lead is kept until it has ended, with ${flags}`,
    ignore,
    async fn() {
      await using etcd = await LocalEtcd.start();
      await using pids = await Pids.create();
      const { node, says, pid, main, waiting } = await stage(etcd, pids, flags);
      await using _node = node;
      await using _waiting = waiting;
      node.kill("SIGTERM");
      await says("command-not-killable");
      const lines = node.output.split("\n").filter((line) => line.includes("command-not-killable"));
      const { level, pid: named, user, command } = JSON.parse(lines[0]!);
      assertEquals({ level, named, user, command }, {
        level: "error",
        named: pid,
        user: "nobody",
        command: "sleep 30",
      });
      const before = cpuMs(node.pid);
      // Longer than any lease lives that nobody renews.
      await new Promise((resolve) => setTimeout(resolve, 2.5 * TTL_MS));
      assert(!lives(main) && lives(pid));
      assert(cpuMs(node.pid) - before < 0.1 * 2.5 * TTL_MS, `${cpuMs(node.pid) - before} ms of processor time`);
      assert(!waiting.log.some((line) => typeof line !== "string" && line.event === "leading"));
      Deno.kill(pid, "SIGKILL");
      assertEquals((await node.status).code, 0);
      await waiting.logs("leading");
    },
  });
}

Deno.test({
  name: "a second signal ends the node at once, which says that the command goes on",
  ignore,
  async fn() {
    await using etcd = await LocalEtcd.start();
    await using pids = await Pids.create();
    const { node, says, pid, waiting } = await stage(etcd, pids, []);
    await using _node = node;
    await using _waiting = waiting;
    node.kill("SIGTERM");
    await says("command-not-killable");
    let ended = false;
    node.status.then(() => ended = true);
    while (!ended) {
      node.kill("SIGTERM");
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    assertEquals((await node.status).code, 143);
    await says("command-goes-on");
    assert(node.output.includes(`"pids":"${pid}"`), node.output);
    Deno.kill(pid, "SIGKILL");
    await node.stop();
  },
});

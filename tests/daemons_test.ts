import { assert, assertEquals } from "@std/assert";
import { LocalEtcd } from "../dev/local_etcd.ts";
import { Beats } from "./support/beats.ts";
import { pair, status, takesOver } from "./support/command_pair.ts";
import { TestNode } from "./support/node.ts";
import { zombiesOf } from "./support/tree.ts";
import { within } from "./support/until.ts";
import { shellWord } from "./support/shell_word.ts";

const ignore = Deno.build.os !== "linux";

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, fn, ignore });
}

/** Ways to get out of the sight of who looks for a process group and an environment. */
const BARE = 'env -i LEADER_NODE_TOKEN="$LEADER_NODE_TOKEN" PATH="$PATH" BEAT="$BEAT" setsid sh -c "$BEAT" away';
const HIDING: Record<string, string> = {
  "a session without its environment": `${BARE} &`,
  "a daemon by two forks, which ignores SIGTERM": `(trap '' TERM; ${BARE} &) &`,
  "a title over its environment": `perl -MPOSIX -e '$t = $ENV{LEADER_NODE_TOKEN}; setsid; $0 = "x" x 100000; ` +
    `exit if fork; delete $ENV{LEADER_NODE_RUN}; $SIG{TERM} = "IGNORE"; system("sh", "-c", "trap \\"\\" TERM; $ENV{BEAT}", "away")' &`,
};

const ENDS: Record<
  string,
  {
    flags?: string[];
    leaderFlags?: string[];
    takesKey?: boolean;
    end(leader: TestNode, etcd: LocalEtcd): unknown;
  }
> = {
  "SIGTERM": { end: (leader) => leader.kill("SIGTERM") },
  "SIGTERM, without a watchdog": { leaderFlags: ["--no-watchdog"], end: (leader) => leader.kill("SIGTERM") },
  "SIGKILL": { flags: ["--ttl", "60"], end: (leader) => leader.kill("SIGKILL") },
  "SIGSTOP": { end: (leader) => leader.kill("SIGSTOP") },
  "a deleted key": {
    takesKey: true,
    end: async (leader, etcd) => {
      const { key } = await leader.logs("queued");
      await etcd.ctl("del", String(key));
    },
  },
};

for (const [hiding, shell] of Object.entries(HIDING)) {
  for (const [name, { flags = [], leaderFlags, takesKey, end }] of Object.entries(ENDS)) {
    // The ends are the same for all that hide.
    if (hiding !== "a title over its environment" && !["SIGTERM", "SIGKILL"].includes(name)) continue;
    test(`${hiding} does not outlive its term: ${name}`, async () => {
      await using etcd = await LocalEtcd.start();
      await using beats = await Beats.create();
      const [a, b] = await pair(etcd, beats, { flags: ["--ttl", "2", ...flags], leaderFlags, shell });
      await using _a = a;
      await using _b = b;
      await within(5000, "the hidden one's beat", beats.begins("away"));
      await end(a, etcd);
      await takesOver(b, beats, takesKey);
    });
  }
}

test("orphans are reaped by watchdog and node: no zombie stays", async () => {
  await using etcd = await LocalEtcd.start();
  const orphans = "while :; do (setsid sleep 0.01 &); sleep 0.02; done";
  for (const flag of ["--watchdog", "--no-watchdog"]) {
    await using a = await TestNode.start(etcd, [flag, "--election", flag.slice(2), "--", "sh", "-c", orphans]);
    await a.logs("command-started");
    const parents = [a.pid, (await status(a)).watchdog?.pid].filter((pid) => typeof pid === "number");
    const from = performance.now();
    let most = 0;
    // Some may be seen in the moment before they are reaped.
    while (performance.now() - from < 1500) {
      most = Math.max(most, ...parents.map((pid) => zombiesOf(pid).length));
      await a.get("/livez");
    }
    assert(most < 10, `${most} zombies`);
    assertEquals(await a.stop(), 0);
  }
});

test("a command that ends by a real-time signal ends the node with 128 and its number", async () => {
  await using etcd = await LocalEtcd.start();
  for (const flag of ["--watchdog", "--no-watchdog"]) {
    await using a = await TestNode.start(etcd, [flag, "--election", flag.slice(2), "--", "sh", "-c", "kill -37 $$"]);
    assertEquals((await within(10_000, "the node to end", a.exited)).code, 165);
    await a.logs("command-ended", { fields: { code: 165, signal: "SIGRTMIN+3" } });
  }
});

test("what a command leaves when it ends by itself gets SIGTERM and the grace", async () => {
  await using etcd = await LocalEtcd.start();
  const file = await Deno.makeTempFile();
  const word = shellWord(file);
  const child =
    `trap "sleep 0.2; echo done >> ${word}; exit" TERM; echo begun >> ${word}; while :; do sleep 0.01; done`;
  const script = `(setsid sh -c '${child}' &); until [ -s ${word} ]; do sleep 0.01; done; exit 4`;
  await using a = await TestNode.start(etcd, ["--", "sh", "-c", script]);
  assertEquals((await within(10_000, "the node to end", a.exited)).code, 4);
  assertEquals(await Deno.readTextFile(file), "begun\ndone\n");
  await Deno.remove(file);
});

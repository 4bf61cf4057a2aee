import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { fileURLToPath } from "node:url";
import { LocalEtcd } from "../dev/local_etcd.ts";
import { Beats } from "./support/beats.ts";
import { gone, pair, status, takesOver } from "./support/command_pair.ts";
import { TestNode } from "./support/node.ts";
import { Proxy } from "./support/proxy.ts";
import { lives } from "./support/tree.ts";
import { within } from "./support/until.ts";
import { linuxTest as test } from "./support/systems.ts";

test("a command runs while its node leads, with the term in its environment, and is seen in the status", async () => {
  await using etcd = await LocalEtcd.start();
  const script =
    'echo "$LEADER_NODE_TOKEN|$ETCD_LOCK_REV|$LEADER_NODE_ELECTION|$LEADER_NODE_ID|$LEADER_NODE_URL|$ETCD_LOCK_KEY' +
    '|$LEADER_NODE_CONTROL_TOKEN" >&2; exec sleep 100';
  const env = { LEADER_NODE_CONTROL_TOKEN: "top-secret" };
  await using a = await TestNode.start(etcd, ["--id", "node-a", "--", "sh", "-c", script], { env });
  const { token } = await a.logs("leading");
  const { pid } = await a.logs("command-started");
  const { command, watchdog } = await status(a);
  assertEquals(command, { running: true, pid: Number(pid), starts: 1, last_exit: null });
  assert(lives(watchdog!.pid!));
  const { key } = await a.logs("queued");
  const said = () => a.log.find((line) => typeof line === "string");
  while (!said()) await a.get("/livez");
  assertEquals(said(), `${token}|${token}|leader-node|node-a|http://127.0.0.1:${a.port}|${key}|`);
  assertEquals(await a.stop(), 0);
  const events = a.log.map((line) => typeof line === "string" ? "" : line.event);
  assert(events.indexOf("command-ended") < events.indexOf("stopped"));
  assert(!lives(Number(pid)) && !lives(watchdog!.pid!));
});

test("a signal ends the command first, then the lead: the successor's begins when it has ended", async () => {
  await using etcd = await LocalEtcd.start();
  await using beats = await Beats.create();
  const [a, b] = await pair(etcd, beats, { shell: "trap 'timeout 0.3 sh -c \"$BEAT\" main; exit 0' TERM" });
  await using _a = a;
  await using _b = b;
  assertEquals(await a.stop(), 0);
  await takesOver(b, beats);
});

test("a command that ignores SIGTERM, and what it started and sent away, are killed within the grace", async () => {
  await using etcd = await LocalEtcd.start();
  await using beats = await Beats.create();
  const shell = `trap '' TERM; sh -c "$BEAT" child & setsid sh -c "trap '' TERM; $BEAT" away &`;
  const [a, b] = await pair(etcd, beats, { leaderFlags: ["--no-watchdog"], shell });
  await using _a = a;
  await using _b = b;
  await beats.begins("child");
  await beats.begins("away");
  assertEquals(await a.stop(), 0);
  await takesOver(b, beats);
});

test("a leader that is killed takes its command with it, and the next one leads without waiting for the lease", async () => {
  await using etcd = await LocalEtcd.start();
  await using beats = await Beats.create();
  const shell = `setsid sh -c "$BEAT" away &`;
  const [a, b] = await pair(etcd, beats, { flags: ["--ttl", "60"], shell });
  await using _a = a;
  await using _b = b;
  await beats.begins("away");
  const { watchdog } = await status(a);
  a.kill("SIGKILL");
  await takesOver(b, beats);
  await a.logs("lease-revoked");
  await a.exited;
  assert(!lives(watchdog!.pid!), "it does not outlive its purpose");
  assertEquals((await etcd.ctl("lease", "list")).split("\n")[0], "found 1 leases");
});

test("a leader that is frozen: the watchdog ends its command before the next one begins", async () => {
  await using etcd = await LocalEtcd.start();
  await using beats = await Beats.create();
  const [a, b] = await pair(etcd, beats, { shell: "trap '' TERM" });
  await using _b = b;
  await using _a = a;
  a.kill("SIGSTOP");
  await takesOver(b, beats);
  a.kill("SIGCONT");
  await a.logs("command-ended");
  await a.logs("following");
  assertEquals((await status(a)).command.running, false);
  assertEquals(beats.assertNoOverlap(), 2);
});

test("a leader whose own code blocks it: the watchdog ends its command before the next one begins", async () => {
  await using etcd = await LocalEtcd.start();
  await using beats = await Beats.create();
  const preload = fileURLToPath(new URL("./support/faulty_machine.ts", import.meta.url));
  const [a, b] = await pair(etcd, beats, { preload });
  await using _a = a;
  await using _b = b;
  a.kill("SIGUSR2");
  await takesOver(b, beats);
});

test("a leader that is cut off from etcd ends its command before the next one begins", async () => {
  await using etcd = await LocalEtcd.start();
  await using proxy = new Proxy(etcd.port);
  await using beats = await Beats.create();
  const [a, b] = await pair(etcd, beats, { leaderFlags: ["--no-watchdog"], shell: "trap '' TERM", through: proxy });
  await using _a = a;
  await using _b = b;
  proxy.stall("to-server", "to-client");
  await takesOver(b, beats);
});

test("a watchdog that is killed is replaced, and the new one knows all", async () => {
  await using etcd = await LocalEtcd.start();
  await using beats = await Beats.create();
  const [a, b] = await pair(etcd, beats, { flags: ["--ttl", "60"] });
  await using _a = a;
  await using _b = b;
  const before = (await status(a)).watchdog!.pid!;
  Deno.kill(before, "SIGINT");
  Deno.kill(before, "SIGTERM");
  Deno.kill(before, "SIGKILL");
  const { reason } = await a.logs("watchdog-ended");
  assertEquals(reason, "SIGKILL", "it ignores the signals that mean its node");
  let next: number | null = null;
  while (next === null) next = (await status(a)).watchdog!.pid;
  assert(next !== before);
  a.kill("SIGKILL");
  await takesOver(b, beats);
});

test("without a command, --watchdog frees the lead of a node that dies", async () => {
  await using etcd = await LocalEtcd.start();
  await using a = await TestNode.start(etcd, ["--ttl", "60", "--watchdog"]);
  await a.logs("leading");
  await using b = await TestNode.start(etcd, ["--ttl", "60"]);
  await b.logs("following");
  a.kill("SIGKILL");
  await b.logs("leading");
});

test("a second signal kills the command too", async () => {
  await using etcd = await LocalEtcd.start();
  await using beats = await Beats.create();
  await using a = await TestNode.start(etcd, ["--ttl", "60", "--", ...beats.command("trap '' TERM")]);
  const { pid } = await a.logs("command-started");
  a.kill("SIGTERM");
  await a.logs("command-stopping");
  let ended = false;
  a.exited.then(() => ended = true);
  // Those of the first half second count as the first one.
  const again = async () => {
    while (!ended) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      a.kill("SIGTERM");
    }
  };
  await within(3000, "the node to end", again());
  assertEquals((await a.exited).code, 143);
  await within(3000, "the command to end", gone(Number(pid)));
});

test("a command that ends by itself ends the node with its code, and the next one leads", async () => {
  await using etcd = await LocalEtcd.start();
  await using a = await TestNode.start(etcd, ["--", "sh", "-c", "read line < /dev/zero; exit 3"]);
  await a.logs("leading");
  await using b = await TestNode.start(etcd);
  await b.logs("following");
  await a.logs("command-started");
  const { pid } = await status(a).then(({ command }) => command);
  Deno.kill(pid!, "SIGKILL");
  assertEquals((await within(5000, "the node to end", a.exited)).code, 137);
  await b.logs("leading");
  await using c = await TestNode.start(etcd, ["--election", "other", "--", "sh", "-c", "exit 3"]);
  assertEquals((await within(5000, "the node to end", c.exited)).code, 3);
});

test("--on-exit resign hands the lead on, --on-exit restart keeps it", async () => {
  await using etcd = await LocalEtcd.start();
  await using a = await TestNode.start(etcd, ["--on-exit", "restart", "--", "sh", "-c", "exit 3"]);
  await a.logs("command-ended", { fields: { code: 3 } });
  while ((await status(a)).command.starts < 3);
  assertEquals((await status(a)).role, "leader");
  await a.stop();
  await using b = await TestNode.start(etcd, ["--on-exit", "resign", "--", "sh", "-c", "sleep 0.5; exit 0"]);
  await b.logs("leading");
  await using c = await TestNode.start(etcd, ["--on-exit", "resign", "--", "sleep", "100"]);
  await c.logs("leading");
  await b.logs("following");
});

test("a command that cannot be run is one line, with the exit code of shells", async () => {
  await using etcd = await LocalEtcd.start();
  await using a = await TestNode.start(etcd, ["--on-exit", "restart", "--", "sh", "-c", "exit 0"]);
  await a.stop();
  const run = async (...command: string[]) => {
    const args = [
      "run",
      "-A",
      "--quiet",
      fileURLToPath(new URL("../main.ts", import.meta.url)),
      "--port",
      "0",
      "--",
      ...command,
    ];
    const { code, stderr } = await new Deno.Command(Deno.execPath(), { args, stdin: "null" }).output();
    return [code, new TextDecoder().decode(stderr)];
  };
  assertEquals(await run("no-such-program"), [127, "leader-node: command not found: no-such-program\n"]);
  assertEquals(await run("/tmp"), [126, "leader-node: command cannot be executed: /tmp\n"]);
  assertEquals(await run("/etc/passwd"), [126, "leader-node: command cannot be executed: /etc/passwd\n"]);
});

test("the watchdog gets passwords and keys, and ps shows none of it", async () => {
  await using etcd = await LocalEtcd.start();
  const env = {
    LEADER_NODE_USER: "worker",
    LEADER_NODE_PASSWORD: "top-secret",
    LEADER_NODE_CONTROL_TOKEN: "top-secret",
  };
  await using a = await TestNode.start(etcd, ["--watchdog"], { env });
  const { watchdog } = await status(a);
  const line = Deno.readTextFileSync(`/proc/${watchdog!.pid}/cmdline`).replaceAll("\0", " ");
  assertMatch(line, / watchdog $/);
  assertStringIncludes(line, "main.ts");
  assert(!line.includes("top-secret"));
});

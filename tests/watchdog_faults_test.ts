import { assert, assertEquals } from "@std/assert";
import { LocalEtcd } from "../dev/local_etcd.ts";
import { Beats } from "./support/beats.ts";
import { gone, pair, status, takesOver } from "./support/command_pair.ts";
import { lives } from "./support/tree.ts";
import { within } from "./support/until.ts";

const ignore = Deno.build.os !== "linux";

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, fn, ignore });
}

/** A daemon without an environment, which ignores SIGTERM. */
const DAEMON =
  '(trap "" TERM; env -i LEADER_NODE_TOKEN="$LEADER_NODE_TOKEN" PATH="$PATH" setsid sh -c "$BEAT" away &) &';

test("a command whose watchdog is killed goes on, and the next watchdog has all of it when the node dies", async () => {
  await using etcd = await LocalEtcd.start();
  await using beats = await Beats.create();
  const [a, b] = await pair(etcd, beats, { flags: ["--ttl", "60"], shell: DAEMON });
  await using _a = a;
  await using _b = b;
  await within(5000, "the hidden one's beat", beats.begins("away"));
  const before = await status(a);
  Deno.kill(before.watchdog!.pid!, "SIGKILL");
  await a.logs("watchdog-ended");
  let next: number | null = null;
  while (next === null) next = (await status(a)).watchdog!.pid;
  assertEquals((await status(a)).command, before.command);
  assert(lives(before.command.pid!));
  a.kill("SIGKILL");
  await takesOver(b, beats);
});

test("a command whose watchdog is killed ends the node with its exit code, and its daemon ends too", async () => {
  await using etcd = await LocalEtcd.start();
  await using beats = await Beats.create();
  const flags = ["--ttl", "60", "--stop-grace", "0.5"];
  const [a, b] = await pair(etcd, beats, { flags, shell: DAEMON });
  await using _a = a;
  await using _b = b;
  await within(5000, "the hidden one's beat", beats.begins("away"));
  const { command, watchdog } = await status(a);
  Deno.kill(watchdog!.pid!, "SIGKILL");
  await a.logs("watchdog-ended");
  Deno.kill(command.pid!, "SIGTERM");
  assertEquals((await within(5000, "the node to end", a.exited)).code, 143);
  await takesOver(b, beats);
});

test("a frozen watchdog: the command is stopped all the same, and its end by itself is seen", async () => {
  await using etcd = await LocalEtcd.start();
  await using beats = await Beats.create();
  const [a, b] = await pair(etcd, beats, { shell: DAEMON });
  await using _a = a;
  await using _b = b;
  await within(5000, "the hidden one's beat", beats.begins("away"));
  const { watchdog } = await status(a);
  Deno.kill(watchdog!.pid!, "SIGSTOP");
  assertEquals(await a.stop(), 0);
  await takesOver(b, beats);

  const { command, watchdog: second } = await status(b);
  Deno.kill(second!.pid!, "SIGSTOP");
  Deno.kill(command.pid!, "SIGINT");
  assertEquals((await within(5000, "the node to end", b.exited)).code, 130);
});

test("a watchdog that does not answer is killed, and the node starts the command itself", async () => {
  await using etcd = await LocalEtcd.start();
  await using beats = await Beats.create();
  const [a, b] = await pair(etcd, beats);
  await using _a = a;
  await using _b = b;
  const frozen = (await status(b)).watchdog!.pid!;
  Deno.kill(frozen, "SIGSTOP");
  assertEquals(await a.stop(), 0);
  await b.logs("watchdog-ended", { fields: { reason: "SIGKILL" } });
  await takesOver(b, beats);
  // Its new watchdog knows the command.
  while ((await status(b)).watchdog!.pid === null);
  b.kill("SIGKILL");
  await within(5000, "the command to end", gone((await b.logs("command-started")).pid as number));
});

import { assertEquals } from "@std/assert";
import { LocalEtcd } from "../dev/local_etcd.ts";
import { Beats } from "./support/beats.ts";
import { pair, takesOver } from "./support/command_pair.ts";
import { within } from "./support/until.ts";
import { linuxTest as test } from "./support/systems.ts";

test("a command may take longer than the TTL to end: the lease is renewed meanwhile", async () => {
  await using etcd = await LocalEtcd.start();
  await using beats = await Beats.create();
  const shell = "trap 'timeout 6 sh -c \"$BEAT\" main; exit 0' TERM";
  const [a, b] = await pair(etcd, beats, { flags: ["--ttl", "4", "--stop-grace", "30"], shell });
  await using _a = a;
  await using _b = b;
  await a.logs("stop-grace-limited", { fields: { grace: 30, lost: 1.56 } });
  assertEquals(await a.stop(), 0);
  await takesOver(b, beats);
  const { code } = await a.logs("command-ended");
  assertEquals(code, 0, "it was not killed");
});

test("a command that takes its time is killed at once when its lease is lost meanwhile", async () => {
  await using etcd = await LocalEtcd.start();
  await using beats = await Beats.create();
  const shell = "trap '' TERM";
  const [a, b] = await pair(etcd, beats, { flags: ["--ttl", "4", "--stop-grace", "30"], shell });
  await using _a = a;
  await using _b = b;
  a.kill("SIGTERM");
  await a.logs("command-stopping");
  await etcd.ctl("del", String((await a.logs("queued")).key));
  await takesOver(b, beats, true);
  assertEquals((await within(5000, "the node to end", a.exited)).code, 0);
});

test("a node that is frozen while its command takes its time: the watchdog ends it before the next one begins", async () => {
  await using etcd = await LocalEtcd.start();
  await using beats = await Beats.create();
  const [a, b] = await pair(etcd, beats, { flags: ["--ttl", "4", "--stop-grace", "30"], shell: "trap '' TERM" });
  await using _a = a;
  await using _b = b;
  a.kill("SIGTERM");
  await a.logs("command-stopping");
  // Its lease has been renewed since: another time than that of the term counts.
  await new Promise((resolve) => setTimeout(resolve, 4500));
  a.kill("SIGSTOP");
  await takesOver(b, beats);
});

import { assert, assertEquals } from "@std/assert";
import { fileURLToPath } from "node:url";
import { LocalEtcd } from "../dev/local_etcd.ts";
import { TestNode } from "./support/node.ts";
import { lives } from "./support/tree.ts";
import { within } from "./support/until.ts";
import { shellWord } from "./support/shell_word.ts";
import { unixTest as test } from "./support/systems.ts";

/** A command that writes into a file which signals it gets, and takes a moment to end. */
function witness(file: string): string[] {
  const word = shellWord(file);
  const trap = `trap 'echo TERM >> ${word}; sleep 0.3; echo done >> ${word}; exit 0' TERM`;
  return ["--", "sh", "-c", `${trap}; echo begun >> ${word}; while :; do sleep 0.01; done`];
}

async function begun(file: string): Promise<void> {
  while (!(await Deno.readTextFile(file)).includes("begun")) await new Promise((resolve) => setTimeout(resolve, 10));
}

for (const signal of ["SIGHUP", "SIGQUIT", "SIGINT"] as const) {
  for (const watchdog of ["--watchdog", "--no-watchdog"]) {
    test(`${signal} is a graceful stop, with ${watchdog}`, async () => {
      await using etcd = await LocalEtcd.start();
      const file = await Deno.makeTempFile();
      await using a = await TestNode.start(etcd, ["--ttl", "60", watchdog, ...witness(file)]);
      const { pid } = await a.logs("command-started");
      await begun(file);
      a.kill(signal);
      assertEquals((await within(5000, "the node to end", a.exited)).code, 0);
      assertEquals(await Deno.readTextFile(file), "begun\nTERM\ndone\n");
      assert(!lives(Number(pid)));
      await Deno.remove(file);
    });
  }
}

test("two signals at once are one: the command keeps its time", async () => {
  await using etcd = await LocalEtcd.start();
  const file = await Deno.makeTempFile();
  await using a = await TestNode.start(etcd, ["--ttl", "60", ...witness(file)]);
  await a.logs("command-started");
  await begun(file);
  a.kill("SIGINT");
  await a.logs("stopping");
  a.kill("SIGINT");
  assertEquals((await within(5000, "the node to end", a.exited)).code, 0);
  assertEquals(await Deno.readTextFile(file), "begun\nTERM\ndone\n");
  await Deno.remove(file);
});

test("SIGUSR2 is ignored by the node and its watchdog", async () => {
  await using etcd = await LocalEtcd.start();
  await using a = await TestNode.start(etcd, ["--", "sleep", "100"]);
  await a.logs("command-started");
  const { watchdog } = JSON.parse((await a.get("/status")).body);
  a.kill("SIGUSR2");
  Deno.kill(watchdog.pid, "SIGUSR2");
  const status = JSON.parse((await a.get("/status")).body);
  assertEquals([status.role, status.watchdog.pid], ["leader", watchdog.pid]);
  assertEquals(await a.stop(), 0);
});

test("a node that was started by nohup goes on when its terminal is closed", async () => {
  await using etcd = await LocalEtcd.start();
  const main = fileURLToPath(new URL("../main.ts", import.meta.url));
  const port = new URL(etcd.endpoint).port;
  const node = new Deno.Command("nohup", {
    args: [Deno.execPath(), "run", "-A", "--quiet", main, "--port", "0", "--endpoints", `127.0.0.1:${port}`],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  let text = "";
  const reader = node.stderr.pipeThrough(new TextDecoderStream()).getReader();
  const until = async (word: string) => {
    while (!text.includes(word)) text += (await reader.read()).value ?? "";
  };
  await within(10_000, "the node to lead", until(" leading "));
  node.kill("SIGHUP");
  // Answers that came later: it has seen the signal, and goes on.
  const [, listens] = /listening .*port=(\d+)/.exec(text)!;
  for (let round = 0; round < 3; round++) await (await fetch(`http://127.0.0.1:${listens}/leader`)).text();
  node.kill("SIGTERM");
  await within(5000, "the node to stop", until(" stopped"));
  assert(text.includes("signal=SIGTERM"), text);
  await node.status;
  await reader.cancel();
});

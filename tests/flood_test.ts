/** Clients that are too many or ask too much: HTTP may suffer, the election does not. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { fileURLToPath } from "node:url";
import { LocalEtcd } from "../dev/local_etcd.ts";
import type { ElectionEvent } from "../election/mod.ts";
import { Candidate } from "./support/candidate.ts";
import { Crowd } from "./support/crowd.ts";
import { TestNode } from "./support/node.ts";
import { fillQueue } from "./support/foreign_keys.ts";
import { Program } from "./support/program.ts";
import { ROOT } from "./support/repository.ts";
import { leads, within } from "./support/until.ts";
import { linuxTest as test, unixTest } from "./support/systems.ts";

const FILES = 128;
/** Files that nobody takes: too few for a connection to etcd, enough for what the node itself opens meanwhile. */
const SPARE = 6;

/** How many files a process has open. */
function openFiles(pid: number): number {
  return [...Deno.readDirSync(`/proc/${pid}/fd`)].length;
}

/** Asks until it answers. */
async function answers(node: TestNode, path: string): Promise<number> {
  const ask = async () => {
    for (;;) {
      const answer = await node.get(path).catch(() => undefined);
      if (answer) return answer.status;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  return await within(10_000, `an answer to ${path}`, ask());
}

function terms(node: TestNode): unknown[] {
  const events = ["leading", "term-ended"];
  return node.log.flatMap((line) => typeof line !== "string" && events.includes(line.event) ? [line.event] : []);
}

test("more idle connections than a process may have files: the leader keeps its term and answers again", async () => {
  await using etcd = await LocalEtcd.start();
  await using a = await TestNode.start(etcd, ["--id", "a", "--ttl", "2"], { files: FILES });
  await a.logs("leading");
  await using b = await TestNode.start(etcd, ["--id", "b", "--ttl", "2"]);
  await b.logs("following");
  using crowd = new Crowd(a.port);
  const come = async () => {
    for (let joined = 0; joined < 300;) {
      if (await crowd.join()) joined++;
      else await new Promise((resolve) => setTimeout(resolve, 10));
    }
  };
  await within(10_000, "300 connections to be taken", Promise.race([come(), a.exited]));
  const { message } = await a.logs("http-interrupted");
  assertMatch(String(message), /Too many open files/);
  crowd.leave();
  assertEquals(await answers(a, "/leader"), 200);
  assertEquals(terms(a), ["leading"]);
  assertEquals(await a.stop(), 0);
  await b.logs("leading");
});

test("idle connections that leave hardly a file are cut before somebody else needs one", async () => {
  await using etcd = await LocalEtcd.start();
  await using a = await TestNode.start(etcd, ["--id", "a", "--ttl", "5"], { files: FILES });
  await a.logs("leading");
  using crowd = new Crowd(a.port);
  const wasInterrupted = () => a.log.some((line) => typeof line !== "string" && line.event === "http-interrupted");
  // One at a time, as one too many would end the server's loop.
  while (!wasInterrupted() && openFiles(a.pid) < FILES - SPARE) {
    const before = openFiles(a.pid);
    await crowd.join();
    while (!wasInterrupted() && openFiles(a.pid) <= before) await new Promise((resolve) => setTimeout(resolve, 1));
  }
  const { message } = await a.logs("http-interrupted");
  assertMatch(String(message), /no files are left/);
  assertEquals(await answers(a, "/leader"), 200);
  assertEquals(terms(a), ["leading"]);
});

test("a command that cannot start for want of files is tried again, and does not end the node", async () => {
  const program = fileURLToPath(new URL("tests/support/short_of_files.ts", ROOT));
  const run = ["-c", 'ulimit -n 64 && exec "$0" "$@"', Deno.execPath(), "run", "-A", "--quiet", program];
  const { stdout, stderr } = await Program.run("sh", run);
  assert(stdout !== "", stderr);
  const { code, told } = JSON.parse(stdout);
  assertEquals([code, told.slice(1)], [7, ["started", "ended with 7"]]);
  assertMatch(told[0], /^sh could not be started: Too many open files .*; trying again$/);
});

unixTest("many clients that ask for a long queue: the leader keeps its term", async () => {
  await using etcd = await LocalEtcd.start();
  await using a = await TestNode.start(etcd, ["--id", "a", "--ttl", "5"]);
  await a.logs("leading");
  await fillQueue(etcd, 2000);
  const clients = fileURLToPath(new URL("tests/support/clients.ts", ROOT));
  const flood = ["run", "-A", "--quiet", "--no-config", clients, String(a.port), "/members", "1000", "12"];
  const { stdout, stderr } = await Program.run(Deno.execPath(), flood);
  assert(stdout !== "", stderr);
  assertEquals(Object.keys(JSON.parse(stdout)).filter((status) => !["200", "503"].includes(status)), []);
  assertEquals(terms(a), ["leading"]);
  assertEquals(await answers(a, "/leader"), 200);
});

/** Tells a process to go on after a moment, also if this one does nothing else. */
function continueLater(etcd: LocalEtcd): Deno.ChildProcess {
  const command = `sleep 0.2; kill -CONT ${etcd.pid}`;
  return new Deno.Command("sh", { args: ["-c", command], stdin: "null" }).spawn();
}

test("renewals and guards that were answered count, though the loop was busy for longer than it waits", async () => {
  await using etcd = await LocalEtcd.start();
  const events: ElectionEvent[] = [];
  const renewed = new EventTarget();
  const onEvent = (event: ElectionEvent) => {
    events.push(event);
    renewed.dispatchEvent(new Event(event.type));
  };
  await using election = new Candidate(etcd, "a", { ttlSeconds: 6, onEvent });
  const { term } = await leads(election);
  const next = () => new Promise((resolve) => renewed.addEventListener("lease-renewed", resolve, { once: true }));
  await next();
  // The next renewal, and its guard, are sent two seconds after the last one.
  await new Promise((resolve) => setTimeout(resolve, 1800));
  etcd.signal("SIGSTOP");
  await new Promise((resolve) => setTimeout(resolve, 400));
  const continuing = continueLater(etcd);
  const until = performance.now() + 1400;
  while (performance.now() < until);
  await next();
  await continuing.status;
  assertEquals(events.filter(({ type }) => type === "renewal-failed" || type === "etcd-failing"), []);
  assertEquals(term.signal.aborted, false);
});

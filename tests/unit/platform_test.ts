import { assertEquals, assertThrows } from "@std/assert";
import { ownPlace } from "../../supervise/cgroup.ts";
import { Children } from "../../supervise/children.ts";
import { becomeSubreaper } from "../../supervise/libc.ts";
import { type Os, platformOf } from "../../supervise/platform.ts";
import type { ProcessInfo } from "../../supervise/processes.ts";
import { ProcessTree, type Source, tableSource } from "../../supervise/process_tree.ts";
import { checkProgram, CommandError } from "../../supervise/program.ts";

const SYSTEMS = ["linux", "darwin", "windows"] as const;

/** Ids that no system gives. */
const [ADOPTER, FIRST, CHILD] = [2 ** 30, 2 ** 30 + 1, 2 ** 30 + 2];

function info(pid: number, group: number): ProcessInfo {
  return { pid, parent: ADOPTER, group, dead: false, started: "1", threads: 1 };
}

/** A tree of processes that are made up, and all signals that it sends. */
function treeOn(os: Os, source: () => Source) {
  const sent: [pid: number, signal: Deno.Signal | 0][] = [];
  const tree = new ProcessTree({
    mark: "",
    adopters: () => [ADOPTER],
    foreign: () => [],
    mayEscape: () => false,
    source,
    send: (pid, signal) => {
      sent.push([pid, signal]);
      return "sent";
    },
    platform: platformOf(os),
  });
  return { tree, sent };
}

Deno.test("processes are listed by /proc on Linux, by ps on macOS, and not on Windows", () => {
  assertEquals(SYSTEMS.map((os) => platformOf(os).list), ["proc", "ps", undefined]);
});

Deno.test("what is sent to all processes of a terminal, a service or a session does not end a watchdog", () => {
  for (const os of ["linux", "darwin"] as const) {
    assertEquals(platformOf(os).sentToAll, ["SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGUSR2"]);
  }
  assertEquals(platformOf("windows").sentToAll, ["SIGHUP", "SIGINT", "SIGBREAK", "SIGTERM"]);
});

Deno.test("a process group gets a signal in one step, and goes on to act on it; on Windows there is the process only", async () => {
  const all = tableSource([info(FIRST, FIRST)]);
  const grouped = [[-FIRST, "SIGTERM"], [-FIRST, "SIGCONT"], [FIRST, 0]];
  const expected = { linux: grouped, darwin: grouped, windows: [[FIRST, "SIGTERM"]] };
  for (const os of SYSTEMS) {
    const { tree, sent } = treeOn(os, () => all);
    tree.add(FIRST);
    await tree.signal("SIGTERM");
    assertEquals<unknown>(sent, expected[os], os);
  }
});

Deno.test("SIGKILL goes to each process as well, and needs no SIGCONT", async () => {
  const all = tableSource([info(FIRST, FIRST)]);
  const expected = { linux: [-FIRST, FIRST], darwin: [-FIRST, FIRST], windows: [FIRST] };
  for (const os of SYSTEMS) {
    const { tree, sent } = treeOn(os, () => all);
    await tree.signal("SIGKILL");
    // The first is sent while the look still goes on.
    assertEquals(sent, [FIRST, ...expected[os]].map((pid) => [pid, "SIGKILL"]), os);
  }
});

Deno.test("where a process's group is not told at once, a command leads one", async () => {
  const expected = { linux: [CHILD], darwin: [-FIRST, CHILD], windows: [CHILD] };
  for (const os of SYSTEMS) {
    // The command's first process ended before anybody looked.
    const { tree, sent } = treeOn(os, () => tableSource([info(CHILD, FIRST)]));
    tree.add(FIRST);
    await tree.signal("SIGTERM");
    assertEquals(sent.filter(([, signal]) => signal !== "SIGCONT").map(([pid]) => pid), expected[os], os);
  }
});

Deno.test("what is gone from /proc is gone; elsewhere only the list of processes can tell", async () => {
  const expected = { linux: false, darwin: true, windows: true };
  for (const os of SYSTEMS) {
    let listed = true;
    const { tree } = treeOn(os, () => ({
      info: () => info(FIRST, FIRST),
      children: () => [],
      childrenOf: () => listed ? [FIRST] : [],
      inGroups: () => [],
    }));
    await tree.look();
    listed = false;
    assertEquals(await tree.isAlive(), expected[os], os);
  }
});

Deno.test("orphans are adopted, and control groups used, on Linux only", () => {
  for (const os of ["darwin", "windows"] as const) {
    const platform = platformOf(os);
    assertEquals(becomeSubreaper(platform), { ok: false, reason: `not available on ${os}` });
    assertEquals(ownPlace(platform), undefined);
    assertEquals(Children.inherited(platform), undefined);
  }
});

Deno.test("whether a program can be run is known before its start, except on Windows", () => {
  for (const os of SYSTEMS) {
    const check = () => checkProgram("no-such-program", platformOf(os));
    if (os === "windows") check();
    else assertThrows(check, CommandError, "command not found: no-such-program");
  }
});

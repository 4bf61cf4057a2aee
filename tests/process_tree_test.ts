import { assert, assertEquals } from "@std/assert";
import { ProcessTree, tableSource } from "../supervise/process_tree.ts";
import { parsePs, parseStat } from "../supervise/processes.ts";
import { decodeStatus } from "../supervise/exit_status.ts";
import { lives, Pids, TreeHost, zombiesOf } from "./support/tree.ts";
import { within } from "./support/until.ts";

const LINUX = Deno.build.os === "linux";
const ROOT = LINUX && Deno.uid() === 0;

function test(name: string, run: () => Promise<void>, ignore = !LINUX): void {
  Deno.test({ name, fn: run, ignore });
}

/** Who reaps is told of an end a little later than those who look. */
async function noZombies(parent: number): Promise<void> {
  const from = performance.now();
  while (zombiesOf(parent).length > 0) {
    assert(performance.now() - from < 5000, `${parent} does not reap ${zombiesOf(parent)}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Ways to hide from who looks for a process group and a mark in the environment. */
const HIDING: Record<string, (sleeper: string) => string> = {
  "a session of its own without an environment": (sleeper) => `env -i setsid ${sleeper} & wait`,
  "a daemon by two forks, without an environment": (sleeper) => `(env -i setsid sh -c '${sleeper} & exit' &) & wait`,
  "a daemon that goes on when its command has ended": (sleeper) => `(env -i setsid ${sleeper} &); exit 0`,
  // As nginx and PostgreSQL do, to be seen in ps under a title.
  "a session of its own that writes over its environment": (sleeper) =>
    `exec perl -MPOSIX -e '$ENV{LEADER_NODE_RUN} = ""; setsid; $0 = "x" x 100000; system(shift)' '${sleeper}'`,
  "sessions below sessions": (sleeper) => `env -i setsid sh -c 'env -i setsid ${sleeper} & wait' & wait`,
};

for (const [name, hide] of Object.entries(HIDING)) {
  test(`a process tree has ${name}`, async () => {
    await using pids = await Pids.create();
    await using host = await TreeHost.start();
    await host.spawn("sh", "-c", hide(pids.sleeper("hidden")));
    const hidden = await pids.of("hidden");
    const found = await host.look();
    assert(found.some(({ pid }) => pid === hidden), `${hidden} is not in ${JSON.stringify(found)}`);
    assertEquals(await host.signal("SIGTERM"), []);
    assertEquals(await host.ended(5000), true);
    assert(!lives(hidden));
    await noZombies(host.pid);
  });
}

test("a process tree has nothing that the host runs for itself", async () => {
  await using pids = await Pids.create();
  await using host = await TreeHost.start();
  const other = await host.spawnOther("sh", "-c", pids.sleeper("other"));
  await pids.of("other");
  const pid = await host.spawn("sleep", "30");
  assertEquals((await host.look()).map(({ pid }) => pid), [pid]);
  await host.endAll();
  assert(!lives(pid) && lives(other));
  Deno.kill(other, "SIGKILL");
});

test("a process that ignores SIGTERM is waited for, and killed", async () => {
  await using pids = await Pids.create();
  await using host = await TreeHost.start();
  await host.spawn("sh", "-c", `trap '' TERM; env -i setsid ${pids.sleeper("stubborn")} & wait`);
  const stubborn = await pids.of("stubborn");
  await host.signal("SIGTERM");
  assertEquals(await host.ended(200), false);
  assert(lives(stubborn));
  await host.endAll();
  assert(!lives(stubborn));
});

test("a stopped process gets SIGCONT with its SIGTERM, in the group and away from it", async () => {
  await using pids = await Pids.create();
  await using host = await TreeHost.start();
  const traps = (name: string) => `trap "touch ${pids.word}/${name}-got; exit" TERM; echo $$ > ${pids.word}/${name}`;
  const loop = "while :; do sleep 0.01; done";
  await host.spawn("sh", "-c", `setsid sh -c '${traps("away")}; ${loop}' & ${traps("main")}; ${loop}`);
  const stopped = await Promise.all([pids.of("main"), pids.of("away")]);
  for (const pid of stopped) Deno.kill(pid, "SIGSTOP");
  await host.signal("SIGTERM");
  assertEquals(await host.ended(5000), true);
  assertEquals(stopped.filter(lives), []);
  for (const name of ["main-got", "away-got"]) await Deno.stat(`${pids.folder}/${name}`);
});

for (const mayEscape of [false, true]) {
  const orphans = mayEscape ? "have gone elsewhere" : "come to it";
  test(`who has no file left to look with takes nothing for dead, where orphans ${orphans}`, async () => {
    await using pids = await Pids.create();
    const wrapper = ["sh", "-c", 'ulimit -n 100 && exec "$@"', "sh"];
    await using host = await TreeHost.start({ wrapper, mayEscape, subreaper: !mayEscape });
    const main = await host.spawn("sh", "-c", `(setsid ${pids.sleeper("away")} &); exec ${pids.sleeper("main")}`);
    const [away] = await Promise.all([pids.of("away"), pids.of("main")]);
    assertEquals(await host.endedWithoutFiles(100), { alive: true, ended: false });
    Deno.kill(main, "SIGKILL");
    while (lives(main));
    // Nobody has seen the daemon yet.
    assertEquals(await host.endedWithoutFiles(100), { alive: true, ended: false });
    await host.endAll();
    assert(!lives(away));
    assertEquals(await host.endedWithoutFiles(100), { alive: true, ended: false });
    assertEquals(await host.ended(100), true);
  });
}

test("those of a process group get SIGTERM once, not twice", async () => {
  await using pids = await Pids.create();
  await using host = await TreeHost.start();
  const count = `trap 'echo x >> ${pids.word}/got' TERM; echo $$ > ${pids.word}/main`;
  await host.spawn("sh", "-c", `${count}; while :; do sleep 0.01; done`);
  await pids.of("main");
  await host.signal("SIGTERM");
  assertEquals(await host.ended(300), false);
  assertEquals(await Deno.readTextFile(`${pids.folder}/got`), "x\n");
  await host.endAll();
});

test("processes that fork all the time are killed: a crowd, and some that are never the same process for long", async () => {
  await using pids = await Pids.create();
  await using host = await TreeHost.start();
  const crowd = `for i in $(seq 2000); do env -i setsid sh -c "sleep 0.2; sleep 0.1" & sleep 0.005; done`;
  // Each forks, gives its child a session, and ends; for ten seconds, if nobody ends it.
  const comet = `perl -MPOSIX -e '$end = time + 10; $file = shift; while (time < $end) { exit if fork; setsid; ` +
    `next if $n++ % 20; open(F, ">>", $file); print F "$$\n"; close F }'`;
  const comets = ["a", "b", "c", "d", "e", "f"];
  const start = comets.map((name) => `env -i setsid ${comet} ${pids.word}/${name} &`).join(" ");
  await host.spawn("sh", "-c", `${start} ${crowd}`);
  for (const name of comets) await pids.of(name);
  await host.endAll();
  assertEquals(await host.look(), []);
  const sizes = () => comets.map((name) => Deno.statSync(`${pids.folder}/${name}`).size);
  const last = sizes();
  // Time enough for many generations of whichever lives on.
  await new Promise((resolve) => setTimeout(resolve, 200));
  assertEquals(sizes(), last);
});

test("a subreaper reaps what it adopted, and leaves the runtime its own: no zombie, no lost exit code", async () => {
  await using host = await TreeHost.start();
  const orphans = "for i in 1 2 3 4 5; do (setsid sh -c 'sleep 0.1; exit 4' &); done";
  const pid = await host.spawn("sh", "-c", `${orphans}; (setsid sh -c 'kill -37 $$' &); sleep 0.2; exit 3`);
  assertEquals(await host.ended(5000), true);
  const { exits, reaped } = await host.state();
  assertEquals(exits[pid], { code: 3, signal: null });
  const codes = Object.values(reaped).map(({ code }) => code).sort();
  assertEquals(codes.filter((code) => code !== 0), [165, 4, 4, 4, 4, 4]);
  await noZombies(host.pid);
});

test("an orphan that ended together with a child of the runtime's own is reaped", async () => {
  await using pids = await Pids.create();
  await using host = await TreeHost.start();
  for (let round = 0; round < 20; round++) {
    const away = `away${round}`;
    const main = await host.spawn("sh", "-c", `(setsid ${pids.sleeper(away)} &); exec ${pids.sleeper(`main${round}`)}`);
    const both = [main, await pids.of(away), await pids.of(`main${round}`)];
    host.kill("SIGSTOP");
    for (const pid of both) Deno.kill(pid, "SIGKILL");
    host.kill("SIGCONT");
    await noZombies(host.pid);
  }
});

test("as PID 1 of a container, all orphans are reaped", async () => {
  await using host = await TreeHost.start({
    subreaper: false,
    wrapper: ["unshare", "--pid", "--fork", "--kill-child"],
  });
  const [child] = (await Deno.readTextFile(`/proc/${host.pid}/task/${host.pid}/children`)).split(" ").map(Number);
  await host.spawn("sh", "-c", "for i in 1 2 3 4 5; do (setsid sleep 0.1 &); done; sleep 0.3");
  await within(
    5000,
    "no zombies, once there were processes",
    (async () => {
      while (Object.keys((await host.state()).reaped).length < 5);
    })(),
  );
  await noZombies(child!);
}, !ROOT);

test("a command that ends by a real-time signal has an exit code", async () => {
  await using host = await TreeHost.start();
  const pid = await host.spawn("sh", "-c", "kill -37 $$");
  assertEquals(await host.ended(5000), true);
  assertEquals((await host.state()).exits[pid], { code: 165, signal: "SIGRTMIN+3" });
});

/** A host of another user whose command makes itself root's; what is needed for that lies in `folder`. */
async function unprivileged(folder: string): Promise<TreeHost> {
  const deno = `${folder}/deno`;
  await Deno.link(await Deno.realPath(Deno.execPath()), deno).catch(() => Deno.copyFile(Deno.execPath(), deno));
  await Deno.copyFile("/usr/bin/setpriv", `${folder}/become`);
  await Deno.chmod(`${folder}/become`, 0o4755);
  const wrapper = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "env", `HOME=${folder}`];
  return await TreeHost.start({ deno, wrapper: [...wrapper, `DENO_DIR=${folder}/cache`] });
}

test("who may not be killed is named, and is not taken for dead", async () => {
  await using pids = await Pids.create();
  await using host = await unprivileged(pids.folder);
  const root = `${pids.word}/become --reuid=0 --clear-groups ${pids.sleeper("root")}`;
  const main = await host.spawn("sh", "-c", `${root} & exec ${pids.sleeper("main")}`);
  const [pid] = await Promise.all([pids.of("root"), pids.of("main")]);
  await within(
    5000,
    "its last program",
    (async () => {
      while (await Deno.readTextFile(`/proc/${pid}/comm`) !== "sleep\n");
    })(),
  );
  const refusal = { pid, user: "root", command: "sleep 30" };
  assertEquals(await host.signal("SIGTERM"), [refusal]);
  assertEquals(await host.ended(300), false);
  assert(!lives(main) && lives(pid));
  const killed = host.endAll();
  await within(
    5000,
    "a word of it",
    (async () => {
      while ((await host.state()).refusals.length === 0);
    })(),
  );
  assertEquals((await host.state()).refusals[0], [refusal]);
  Deno.kill(pid, "SIGKILL");
  await killed;
}, !ROOT);

test("of two subreapers, one below the other, each finds all when the other dies or is frozen", async () => {
  for (
    const [fault, victim] of [["SIGKILL", "upper"], ["SIGKILL", "lower"], ["SIGSTOP", "upper"], [
      "SIGSTOP",
      "lower",
    ]] as const
  ) {
    await using pids = await Pids.create();
    await using upper = await TreeHost.start();
    await using lower = await upper.host({});
    await lower.spawn("sh", "-c", `(env -i setsid ${pids.sleeper("away")} &); exec ${pids.sleeper("main")}`);
    const all = await Promise.all([pids.of("away"), pids.of("main")]);
    const [hit, left] = victim === "upper" ? [upper, lower] : [lower, upper];
    hit.kill(fault);
    if (fault === "SIGKILL") { while (lives(hit.pid)); }
    await left.endAll();
    assertEquals(all.filter(lives), [], `${victim} got ${fault}`);
  }
});

test("members that were seen are found again when who adopted them has died", async () => {
  await using pids = await Pids.create();
  const host = await TreeHost.start();
  await host.spawn("sh", "-c", `(env -i setsid ${pids.sleeper("away")} &); exec ${pids.sleeper("main")}`);
  const all = await Promise.all([pids.of("away"), pids.of("main")]);
  const tree = new ProcessTree({ mark: "", adopters: () => [host.pid], foreign: () => [], mayEscape: () => false });
  // The shell in between may take a moment to end.
  while ((await tree.look()).length > all.length);
  assertEquals(tree.members.map(({ pid }) => pid).sort(), all.toSorted());
  await host[Symbol.asyncDispose]();
  await tree.kill();
  assertEquals(all.filter(lives), []);
});

test("where orphans may have escaped, those with the mark are found", async () => {
  await using pids = await Pids.create();
  await using host = await TreeHost.start({ subreaper: false, mayEscape: true });
  await host.spawn("sh", "-c", `(setsid ${pids.sleeper("away")} &); exit`);
  const away = await pids.of("away");
  await host.endAll();
  assert(!lives(away));
});

test("a look does not depend on how many other processes there are, and gives way to others", async () => {
  await using pids = await Pids.create();
  await using other = await TreeHost.start();
  await using host = await TreeHost.start();
  const crowd = `for i in $(seq 400); do sleep 30 & done; ${pids.sleeper("crowd")}`;
  await other.spawn("sh", "-c", crowd);
  await host.spawn("sh", "-c", pids.sleeper("command"));
  await Promise.all([pids.of("crowd"), pids.of("command")]);
  const [few, many] = [await host.timed(20), await other.timed(20)].map((took) => took.sort((a, b) => a - b)[10]!);
  assert(few! < many! / 5, `${few} ms for 1, ${many} ms for 401`);
  await other.endAll();
  await host.endAll();
});

Deno.test("nothing is taken for dead while processes end as soon as they are seen: their children may be anywhere", async () => {
  const parent = 9_000_000;
  const info = (pid: number, dead: boolean) => ({ pid, parent, group: pid, dead, started: "1", threads: 1 });
  const ask = async (...looks: { listed: number[]; alive?: number[]; dead?: number[] }[]) => {
    let count = 0;
    const source = () => {
      const { listed, alive = [], dead = [] } = looks[count++] ?? { listed: [] };
      return {
        ...tableSource([...alive.map((pid) => info(pid, false)), ...dead.map((pid) => info(pid, true))]),
        childrenOf: (pid: number) => pid === parent ? listed : [],
      };
    };
    const options = { mark: "", adopters: () => [parent], foreign: () => [], mayEscape: () => false };
    return [await new ProcessTree({ ...options, source }).isAlive(), count];
  };
  const [a, b, c] = [parent + 1, parent + 2, parent + 3];
  assertEquals(await ask(), [false, 2]);
  assertEquals(await ask({ listed: [a], alive: [a] }), [true, 1]);
  assertEquals(await ask({ listed: [a] }, { listed: [b] }, { listed: [c], alive: [c] }), [true, 3]);
  assertEquals(await ask({ listed: [] }, { listed: [a] }, { listed: [b], alive: [b] }), [true, 3]);
  assertEquals(await ask({ listed: [a], dead: [a] }, { listed: [a, b], dead: [a, b] }), [false, 4]);
  const unreaped = { listed: [a], dead: [a] };
  assertEquals(await ask(unreaped, unreaped, unreaped, { listed: [b], alive: [b] }), [false, 3]);
  const [endless] = await ask(...Array.from({ length: 1000 }, (_, i) => ({ listed: [a + i] })));
  assertEquals(endless, true);
});

Deno.test("who kills while nothing can be read, as files are short, lets others free some", async () => {
  let [looks, isReadable] = [0, false];
  const source = () => {
    if (++looks > 1000) throw new Error("nobody else had a turn");
    return { ...tableSource([]), childrenOf: () => isReadable ? [] : undefined };
  };
  const options = { mark: "", adopters: () => [9_000_000], foreign: () => [], mayEscape: () => false, source };
  setTimeout(() => isReadable = true, 0);
  await new ProcessTree(options).kill();
});

Deno.test("who kills what forks without an end lets others have their turn", async () => {
  const parent = 9_000_000;
  let [looks, turns] = [0, 0];
  const source = () => {
    const child = { pid: parent + ++looks, parent, group: 1, dead: false, started: "1", threads: 1 };
    return { ...tableSource([child]), childrenOf: () => looks < 20_000 ? [child.pid] : [] };
  };
  const options = { mark: "", adopters: () => [parent], foreign: () => [], mayEscape: () => false, source };
  const others = setInterval(() => turns++, 0);
  await new ProcessTree({ ...options, send: () => "sent" }).kill();
  clearInterval(others);
  assert(turns > 30, `${turns} turns in ${looks} looks`);
});

Deno.test("a process group's number that another program has now leads to nothing of it, where orphans come to us", async () => {
  const [parent, leader, other] = [9_000_000, 9_000_001, 9_000_002];
  const table = (...pids: { pid: number; parent: number; group: number }[]) =>
    tableSource(pids.map((one) => ({ ...one, dead: false, started: String(one.pid), threads: 1 })));
  const sources = [
    table({ pid: leader, parent, group: leader }),
    // Its number is the group of another program's process, which is no child of ours.
    table({ pid: other, parent: 1, group: leader }),
  ];
  let looks = 0;
  const source = () => sources[Math.min(looks++, 1)]!;
  for (const [escape, found] of [[false, []], [true, [other]]] as [boolean, number[]][]) {
    looks = 0;
    const options = { mark: "", adopters: () => [parent], foreign: () => [], mayEscape: () => escape, source };
    const tree = new ProcessTree(options);
    assertEquals((await tree.look()).map(({ pid }) => pid), [leader]);
    assertEquals((await tree.look()).map(({ pid }) => pid), found);
  }
});

Deno.test("a process's state is read whatever its name is", () => {
  const rest = "1 7 7 0 -1 4194304 83 0 0 0 0 0 0 0 20 0 3 0 98765 2568192 199";
  const info = { pid: 42, parent: 1, group: 7, dead: false, started: "98765", threads: 3 };
  assertEquals(parseStat(`42 (a) Z (b) S ${rest}`), info);
  assertEquals(parseStat(`42 (main thread gone) Z ${rest}`), info);
  assertEquals(parseStat(`42 (sh) Z ${rest.replace(" 3 0 ", " 1 0 ")}`), { ...info, dead: true, threads: 1 });
});

Deno.test("exit codes are those of shells", () => {
  assertEquals(decodeStatus(0x0300), { code: 3, signal: null });
  assertEquals(decodeStatus(9), { code: 137, signal: "SIGKILL" });
  assertEquals(decodeStatus(0x8b), { code: 139, signal: "SIGSEGV" }, "with a core dump");
  assertEquals(decodeStatus(37), { code: 165, signal: "SIGRTMIN+3" });
  assertEquals(decodeStatus(31), { code: 159, signal: "SIGSYS" });
});

Deno.test("what ps prints on macOS is read", () => {
  const all = parsePs(
    "    1     0     1 Ss   Mon Nov 24 09:00:01 2025\n" +
      "  501     1   501 S    Mon Nov 24 09:10:01 2025\n" +
      "  777   501   777 Ss+  Mon Nov 24 09:11:00 2025    \n" +
      "  778   777   777 T    Mon Nov 24 09:11:02 2025\n" +
      "  779     1   777 S    Mon Nov 24 09:11:02 2025\n" +
      "  780   777   777 Z    Mon Nov 24 09:11:03 2025\n",
  );
  assertEquals(all.length, 6);
  const source = tableSource(all);
  assertEquals(source.info(778), {
    pid: 778,
    parent: 777,
    group: 777,
    dead: false,
    started: "Mon Nov 24 09:11:02 2025",
    threads: 1,
  });
  assertEquals(source.info(780)?.dead, true);
  assertEquals(source.childrenOf(777), [778, 780]);
  assertEquals(source.inGroups(new Set([777])), [777, 778, 779, 780]);
});

import { assert, assertEquals, assertRejects } from "@std/assert";
import { systemTime } from "../../election/runner.ts";
import { OwnTerm } from "../../election/term.ts";
import type { ExitStatus } from "../../supervise/exit_status.ts";
import type { CommandProcesses, Launched } from "../../supervise/launcher.ts";
import type { Refusal } from "../../supervise/process_tree.ts";
import { CommandError } from "../../supervise/program.ts";
import { Supervisor, type SupervisorOptions } from "../../supervise/supervisor.ts";
import { FakeTime } from "../support/fake_time.ts";

const TTL = 5000;
/** What the kill needs of the lease. */
const MARGIN = 500;
const GRACE = 1000;

/** A command whose processes end when they are told to. */
class Command implements CommandProcesses {
  readonly #exit = Promise.withResolvers<ExitStatus>();
  readonly #died = Promise.withResolvers<void>();
  #alive = [7];
  /** What was asked of it. */
  readonly log: string[] = [];
  refusals: Refusal[] = [];
  /** Whether SIGKILL ends it. */
  mortal = true;
  closed = false;

  get launched(): Launched {
    return { pid: 7, exit: this.#exit.promise, tree: this, close: () => this.closed = true };
  }

  get members() {
    return this.#alive.map((pid) => ({ pid, parent: 1, group: pid, dead: false, started: "1", threads: 1 }));
  }

  /** Its first process ends; others of it live on. */
  exits(code: number, left: number[] = []): void {
    this.#alive = left;
    if (left.length === 0) this.#died.resolve();
    this.#exit.resolve({ code, signal: null });
  }

  look() {
    return Promise.resolve(this.members);
  }

  poke(): void {}

  isAlive(): Promise<boolean> {
    return Promise.resolve(this.#alive.length > 0);
  }

  async ended(withinMs: number): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => resolve(false), withinMs);
    const ended = await Promise.race([promise, this.#died.promise.then(() => true)]);
    clearTimeout(timer);
    return ended;
  }

  signal(signal: Deno.Signal): Promise<readonly Refusal[]> {
    this.log.push(signal);
    return Promise.resolve(this.refusals);
  }

  async kill(onRefused: (refusals: readonly Refusal[]) => void = () => {}): Promise<void> {
    this.log.push("kill");
    if (this.mortal) this.exits(137);
    else onRefused([{ pid: 7, user: "root", command: "su" }]);
    await this.#died.promise;
  }
}

/** A supervisor of commands that are driven by hand. */
class Bench implements Disposable {
  readonly time = new FakeTime();
  /** What it told its owner, and what was launched, with the time since the beginning. */
  readonly told: string[] = [];
  readonly commands: Command[] = [];
  /** What starting one more comes to. */
  failure: Error | undefined;
  /** What starting takes. */
  launching = Promise.resolve();
  /** Milliseconds that the lease holds from now on. */
  left = 4950;
  #term = this.#newTerm();
  readonly supervisor: Supervisor;
  readonly #began = this.time.now;
  result: number | undefined | "running" = "running";

  constructor(options: Partial<SupervisorOptions> = {}) {
    const tell = (text: string) => this.told.push(`${this.time.now - this.#began} ${text}`);
    const refused = (refusals: readonly Refusal[]) => tell(`refused ${refusals.map(({ user }) => user)}`);
    this.supervisor = new Supervisor({
      argv: ["work", "hard"],
      stopGraceMs: GRACE,
      ttlMs: TTL,
      restart: false,
      launcher: {
        launch: (argv, env, mayStartForMs) => {
          tell(`launch ${argv.join(" ")} ${JSON.stringify(env)} within ${mayStartForMs()}`);
          if (this.failure) return Promise.reject(this.failure);
          this.commands.push(new Command());
          return this.launching.then(() => this.command.launched);
        },
      },
      hooks: {
        started: (pid) => tell(`started ${pid}`),
        stopping: (pid) => tell(`stopping ${pid}`),
        leftOver: (pids) => tell(`left over ${pids}`),
        refused,
        ended: ({ code }, byItself) => tell(`ended ${code} ${byItself ? "by itself" : "on request"}`),
        failed: ({ message }) => tell(`failed: ${message}`),
      },
      ...options,
    });
  }

  get command(): Command {
    return this.commands.at(-1)!;
  }

  get signal(): AbortSignal {
    return this.#term.signal;
  }

  async run(): Promise<this> {
    this.supervisor.during(this.#term, { LEADER: "me" }).then((result) => this.result = result);
    await this.time.settle();
    return this;
  }

  /** The term is over; its lease holds for so long. */
  async end(left: number): Promise<void> {
    this.left = left;
    const from = this.time.now;
    this.#term.end("expired", () => this.left - (this.time.now - from));
    await this.time.settle();
  }

  /** Leads again. */
  async again(left = 4950): Promise<void> {
    this.left = left;
    this.#term = this.#newTerm();
    await this.run();
  }

  #newTerm(): OwnTerm {
    return new OwnTerm("jobs/1f", 7n, () => Math.max(0, this.left - MARGIN - GRACE));
  }

  [Symbol.dispose](): void {
    this.time[Symbol.dispose]();
  }
}

const LAUNCH = `launch work hard {"LEADER":"me"} within 2950`;

Deno.test("a command runs until it ends by itself, and its exit code is told", async () => {
  using bench = await new Bench().run();
  const { supervisor } = bench;
  assertEquals(supervisor.status, { running: true, pid: 7, starts: 1, lastExit: undefined });
  await bench.time.pass(2000);
  bench.command.exits(3);
  await bench.time.settle();
  assertEquals(bench.result, 3);
  assertEquals(bench.told, [`0 ${LAUNCH}`, "0 started 7", "2000 ended 3 by itself"]);
  assertEquals(supervisor.status, { running: false, pid: undefined, starts: 1, lastExit: { code: 3, signal: null } });
  assertEquals([bench.command.log, bench.command.closed], [["kill"], true], "nothing of it is left to chance");
});

Deno.test("when the term ends, a command is asked to end, and has its grace for that", async () => {
  using bench = await new Bench().run();
  await bench.end(GRACE + MARGIN);
  assertEquals(bench.command.log, ["SIGTERM"]);
  await bench.time.pass(GRACE - 1);
  assertEquals(bench.command.log, ["SIGTERM"]);
  await bench.time.pass(1);
  assertEquals(bench.command.log, ["SIGTERM", "kill"]);
  assertEquals(bench.result, undefined);
  assertEquals(bench.told.slice(2), ["0 stopping 7", "1000 ended 137 on request"]);
});

Deno.test("a command that ends within its grace ends the waiting for it", async () => {
  using bench = await new Bench().run();
  await bench.end(GRACE + MARGIN);
  await bench.time.pass(300);
  bench.command.exits(0);
  await bench.time.settle();
  assertEquals(bench.told.slice(2), ["0 stopping 7", "300 ended 0 on request"]);
  assertEquals([bench.result, bench.time.timers], [undefined, 0]);
});

Deno.test("the lease shortens the grace: nothing may run when it ends", async () => {
  using bench = await new Bench().run();
  await bench.end(700);
  await bench.time.pass(200);
  assertEquals(bench.told.at(-1), "200 ended 137 on request");
});

Deno.test("a command is killed at once when the lease leaves no time to ask it", async () => {
  for (const left of [0, MARGIN]) {
    using bench = await new Bench().run();
    await bench.end(left);
    assertEquals(bench.command.log, ["kill"]);
  }
});

Deno.test("a command is asked to end if there is a millisecond for it", async () => {
  using bench = await new Bench().run();
  await bench.end(MARGIN + 1);
  assertEquals(bench.command.log, ["SIGTERM"]);
  await bench.time.pass(1);
  assertEquals(bench.command.log, ["SIGTERM", "kill"]);
});

Deno.test("a term that ends while the command is being started ends it", async () => {
  using bench = new Bench();
  const { promise, resolve } = Promise.withResolvers<void>();
  bench.launching = promise;
  await bench.run();
  await bench.end(GRACE + MARGIN);
  resolve();
  await bench.time.settle();
  assertEquals(bench.command.log, ["SIGTERM"]);
});

Deno.test("a lease that is renewed while a command ends leaves it its grace, but no more", async () => {
  using bench = await new Bench().run();
  await bench.end(700);
  await bench.time.pass(100);
  bench.left += 2000;
  bench.supervisor.stopTimeChanged();
  await bench.time.pass(899);
  assertEquals(bench.command.log, ["SIGTERM"]);
  await bench.time.pass(1);
  assertEquals(bench.command.log, ["SIGTERM", "kill"]);
});

Deno.test("a lease that is lost while a command ends leaves it no time", async () => {
  using bench = await new Bench().run();
  await bench.end(GRACE + MARGIN);
  await bench.time.pass(100);
  bench.left = 0;
  bench.supervisor.stopTimeChanged();
  await bench.time.settle();
  assertEquals(bench.command.log, ["SIGTERM", "kill"]);
});

Deno.test("what a command leaves behind when it ends by itself is told, asked to end, and killed", async () => {
  using bench = await new Bench().run();
  bench.command.exits(0, [8, 9]);
  await bench.time.settle();
  assertEquals(bench.told.at(-1), "0 left over 8,9");
  assertEquals(bench.command.log, ["SIGTERM"]);
  await bench.time.pass(GRACE);
  assertEquals(bench.command.log, ["SIGTERM", "kill"]);
  assertEquals([bench.told.at(-1), bench.result], ["1000 ended 0 by itself", 0]);
});

Deno.test("processes that may not be ended are told of, when they are asked and when they are killed", async () => {
  using bench = await new Bench().run();
  bench.command.mortal = false;
  bench.command.refusals = [{ pid: 7, user: "alice", command: "work" }];
  await bench.end(GRACE + MARGIN);
  await bench.time.pass(GRACE);
  assertEquals(bench.told.slice(3), ["0 refused alice", "1000 refused root"]);
  assertEquals(bench.supervisor.status.running, true, "as long as any of it lives");
  bench.command.exits(0);
  await bench.time.settle();
  assertEquals(bench.supervisor.status.running, false);
});

Deno.test("a node that was frozen learns at once that its command and its term have ended: then the term has", async () => {
  using bench = await new Bench().run();
  bench.command.exits(0);
  await bench.end(0);
  assertEquals([bench.told.at(-1), bench.result], ["0 ended 0 on request", undefined]);
});

Deno.test("a command that is to run always starts again, after growing pauses if it ends right away", async () => {
  using bench = await new Bench({ restart: true }).run();
  for (const pause of [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]) {
    const before = bench.commands.length;
    bench.command.exits(1);
    await bench.time.pass(pause - 1);
    assertEquals(bench.commands.length, before, `${pause} ms`);
    await bench.time.pass(1);
    assertEquals(bench.commands.length, before + 1, `${pause} ms`);
  }
  assertEquals(bench.supervisor.status.starts, 10);
  await bench.time.pass(10_000);
  bench.command.exits(1);
  await bench.time.settle();
  assertEquals(bench.commands.length, 10, "10 s are not enough to have settled");
  await bench.time.pass(10_000);
  await bench.time.pass(10_001);
  bench.command.exits(1);
  await bench.time.settle();
  assertEquals(bench.commands.length, 12, "one that ran longer starts again at once");
});

Deno.test("a supervisor waits by the time that it is given", async () => {
  const waits: number[] = [];
  const time = { ...systemTime, after: (ms: number) => (waits.push(ms), () => {}) };
  using bench = await new Bench({ restart: true, time }).run();
  bench.command.exits(1);
  await bench.time.settle();
  assertEquals(waits, [100]);
});

Deno.test("a command that was ended with its term starts with the next one at once", async () => {
  using bench = await new Bench({ restart: true }).run();
  await bench.end(0);
  await bench.again();
  assertEquals(bench.commands.length, 2);
});

Deno.test("when the term ends in such a pause, the command does not start again", async () => {
  using bench = await new Bench({ restart: true }).run();
  bench.command.exits(1);
  await bench.time.pass(50);
  await bench.end(GRACE + MARGIN);
  assertEquals([bench.result, bench.commands.length, bench.time.timers], [undefined, 1, 0]);
});

Deno.test("a pause is kept by the next term too", async () => {
  using bench = await new Bench().run();
  bench.command.exits(1);
  await bench.time.settle();
  await bench.run();
  assertEquals(bench.commands.length, 1);
  await bench.time.pass(100);
  assertEquals(bench.commands.length, 2);
});

Deno.test("a term that has ended already has no command; one that lasts a millisecond has", async () => {
  using bench = new Bench();
  await bench.end(GRACE + MARGIN);
  await bench.run();
  assertEquals([bench.result, bench.told], [undefined, []]);
  await bench.again(MARGIN + GRACE + 1);
  bench.command.exits(3);
  await bench.time.settle();
  assertEquals(bench.result, 3, "it ended by itself");
});

Deno.test("a command that cannot be run is told of, with the exit code of shells", async () => {
  using bench = new Bench();
  bench.failure = new CommandError("command not found: work", 127);
  await bench.run();
  assertEquals(bench.told, [`0 ${LAUNCH}`, "0 failed: command not found: work"]);
  assertEquals(bench.result, 127);
  assertEquals(bench.supervisor.status, {
    running: false,
    pid: undefined,
    starts: 0,
    lastExit: { code: 127, signal: null },
  });
});

Deno.test("a command that cannot be started for want of memory is tried again, also if it need not run always", async () => {
  using bench = new Bench();
  bench.failure = new CommandError("work could not be started", 126, true);
  await bench.run();
  assertEquals(bench.result, "running");
  bench.failure = undefined;
  await bench.time.pass(100);
  assertEquals(bench.supervisor.status.running, true);
  bench.command.exits(0);
  await bench.time.settle();
  assertEquals(bench.result, 0, "that shortage is over");
});

Deno.test("an error that no command makes is nobody's exit code", async () => {
  using bench = new Bench();
  bench.failure = new TypeError("a bug");
  const term = new OwnTerm("jobs/1f", 7n, () => 1000);
  await assertRejects(() => bench.supervisor.during(term, {}), TypeError, "a bug");
});

Deno.test("a command that is killed from outside is told by those that live on, after a time", async () => {
  using bench = new Bench();
  assertEquals(await bench.supervisor.kill(100), [], "nothing runs");
  await bench.run();
  bench.command.mortal = false;
  const killed = bench.supervisor.kill(100);
  await bench.time.pass(99);
  bench.command.log.push("still waited for");
  await bench.time.pass(1);
  assertEquals(await killed, [7]);
  assertEquals(bench.command.log, ["kill", "still waited for"]);
  bench.command.mortal = true;
  assertEquals(await bench.supervisor.kill(100), []);
  assertEquals(bench.time.timers, 0);
});

Deno.test("a supervisor leaves no listener at the signal of a term, however often its command starts", async () => {
  using bench = new Bench({ restart: true });
  let listeners = 0;
  const { signal } = bench;
  const [add, remove] = [signal.addEventListener, signal.removeEventListener];
  const count = (type: string, change: number) => listeners += type === "abort" ? change : 0;
  signal.addEventListener = (...args: Parameters<typeof add>) => (count(args[0], 1), add.apply(signal, args));
  signal.removeEventListener = (...args: Parameters<typeof remove>) => (count(args[0], -1), remove.apply(signal, args));
  await bench.run();
  for (let round = 0; round < 3; round++) {
    bench.command.exits(0);
    await bench.time.pass(1000);
  }
  assertEquals(listeners, 1);
  await bench.end(0);
  assertEquals(listeners, 0);
  assert(bench.result === undefined);
});

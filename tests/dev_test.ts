import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { fileURLToPath } from "node:url";
import { lines } from "../dev/lines.ts";
import { freePort } from "../dev/local_etcd.ts";
import { denoDir } from "./support/deno_dir.ts";
import { OddFolder } from "./support/odd_folder.ts";
import { within } from "./support/until.ts";
import { unixTest as test } from "./support/systems.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));

/** A task of `dev/` in a process of its own, with what it prints. */
class Task implements AsyncDisposable {
  readonly printed: string[] = [];
  readonly #process: Deno.ChildProcess;
  readonly #ended: Promise<Deno.CommandStatus>;
  readonly #line = new EventTarget();

  constructor(name: string, args: readonly unknown[] = [], env: Record<string, string> = {}, root = ROOT) {
    const path = `${root}dev/${name}.ts`;
    this.#process = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--quiet", path, ...args.map(String)],
      env: { NO_COLOR: "1", ...env },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const read = async (stream: ReadableStream<Uint8Array<ArrayBuffer>>) => {
      for await (const line of lines(stream)) {
        this.printed.push(line);
        this.#line.dispatchEvent(new Event("line"));
      }
    };
    const all = Promise.all([this.#process.status, read(this.#process.stdout), read(this.#process.stderr)]);
    this.#ended = all.then(([status]) => status);
  }

  /** The first match in what is printed, now or later. */
  async prints(pattern: RegExp, ms = 15_000): Promise<RegExpExecArray> {
    const found = Promise.withResolvers<RegExpExecArray>();
    const check = () => {
      const match = pattern.exec(this.printed.join("\n"));
      if (match) found.resolve(match);
    };
    this.#line.addEventListener("line", check);
    check();
    try {
      return await within(ms, () => `${pattern} in ${this.printed.join("\n")}`, found.promise);
    } finally {
      this.#line.removeEventListener("line", check);
    }
  }

  async ends(signal?: Deno.Signal): Promise<number> {
    if (signal) this.#process.kill(signal);
    return (await within(15_000, "the task to end", this.#ended)).code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#process.kill("SIGTERM");
    } catch {
      // It has ended.
    }
    await this.#ended;
  }
}

/** Settings of the user's own etcd and nodes, which are none of the demo's business. */
const FOREIGN = {
  ETCD_NAME: "mine",
  ETCD_INITIAL_CLUSTER: "mine=http://127.0.0.1:1",
  ETCD_LISTEN_CLIENT_URLS: "http://127.0.0.1:1",
  LEADER_NODE_ELECTION: "mine",
  DENO_SERVE_ADDRESS: "tcp:127.0.0.1:1",
};

/** Three free ports in a row. */
function threePorts(): [number, number, number] {
  const ports = [freePort(), freePort(), freePort()] as [number, number, number];
  return ports.every((port, index) => port === ports[0] + index) ? ports : threePorts();
}

function listens(port: number): Promise<boolean> {
  return Deno.connect({ hostname: "127.0.0.1", port }).then(
    (connection) => {
      connection.close();
      return true;
    },
    () => false,
  );
}

async function curl(port: number): Promise<string> {
  using client = Deno.createHttpClient({ poolMaxIdlePerHost: 0 });
  return await (await fetch(`http://127.0.0.1:${port}/`, { client })).text();
}

test("in any folder, the demo shows an election, a crash, a handover, and leaves nothing behind", async () => {
  const ports = threePorts();
  await using folder = await OddFolder.withRepository();
  await using demo = new Task("demo", [ports[0]], FOREIGN, folder.path);
  const [, leader] = await demo.prints(/The node on port (\d+) leads/);
  await demo.prints(new RegExp(`http://127\\.0\\.0\\.1:${leader} in a browser`));
  const [, pid] = await demo.prints(/kill -9 (\d+)/);
  assertEquals(await curl(Number(leader)), "I am the leader\n");
  for (const port of ports.filter((port) => port !== Number(leader))) {
    await demo.prints(new RegExp(`node ${port} \\| following leader=\\S+:${leader} `));
    assertEquals(await curl(port), `I am a follower and the leader is on port ${leader}\n`);
  }

  Deno.kill(Number(pid), "SIGKILL");
  const [, second, heir] = await demo.prints(
    new RegExp(
      `Leadership moved from port ${leader}, which was killed by SIGKILL, to port (\\d+) in \\d[^]*kill -9 (\\d+)`,
    ),
  );
  Deno.kill(Number(heir), "SIGTERM");
  const [, third] = await demo.prints(
    new RegExp(`Leadership moved from port ${second}, which resigned, to port (\\d+) in [\\d.]+ m?s`),
  );
  assertEquals(await curl(Number(third)), "I am the leader\n");

  const [, etcd] = await demo.prints(/etcd serves on http:\/\/127\.0\.0\.1:(\d+)/);
  assertEquals(await demo.ends("SIGINT"), 0);
  for (const port of [...ports, Number(etcd)]) assert(!await listens(port), `port ${port} is free again`);
  for (const line of demo.printed) assert(!/^\s+at |Uncaught/.test(line), line);
});

test("a demo whose nodes do not live is a failure", async () => {
  await using folder = await OddFolder.withRepository();
  await Deno.remove(`${folder.path}main.ts`);
  await using demo = new Task("demo", [threePorts()[0]], {}, folder.path);
  assertEquals(await demo.ends(), 1);
  await demo.prints(/ended with code 1/);
});

Deno.test("the demo says which port is taken", async () => {
  for (const hostname of ["0.0.0.0", "127.0.0.1", "::1"]) {
    const [first, second] = threePorts();
    using _listener = Deno.listen({ hostname, port: second });
    await using demo = new Task("demo", [first]);
    assertEquals(await demo.ends(), 1);
    assertEquals(demo.printed, [
      `demo: port ${second} in use; stop what listens there, or choose others: deno task demo 9080`,
    ]);
  }
});

Deno.test("the demo refuses what is no port", async () => {
  for (const args of [["abc"], ["0"], ["65534"], ["8080", "8081"]]) {
    await using demo = new Task("demo", args);
    assertEquals(await demo.ends(), 2);
    assertMatch(demo.printed.join("\n"), /^usage: deno task demo \[PORT\]: .*$/);
  }
});

Deno.test("without an etcd the tasks say how to get one", async () => {
  for (const name of ["demo", "etcd"]) {
    const args = [threePorts()[0]];
    await using task = new Task(name, args, { ETCD: "/nowhere/etcd" });
    assertEquals(await task.ends(), 1);
    assertEquals(task.printed, [`${name}: ETCD is /nowhere/etcd: expected the path of an etcd program`]);
    const empty = await Deno.makeTempDir();
    // Deno's own cache is below XDG_CACHE_HOME too, and stays where it is.
    await using bare = new Task(name, args, {
      ETCD_DOWNLOAD_URL: `http://127.0.0.1:${freePort()}`,
      PATH: empty,
      ETCD: "",
      XDG_CACHE_HOME: empty,
      DENO_DIR: await denoDir(),
    });
    assertEquals(await bare.ends(), 1);
    assertMatch(bare.printed.join("\n"), new RegExp(`^${name}: no etcd found`, "m"));
    assertStringIncludes(bare.printed.join("\n"), "apt-get install etcd-server etcd-client");
    assertMatch(bare.printed.at(-1)!, /^ +http:\/\/127\.0\.0\.1:\d+\/v[\d.]+\/etcd-v\S+: .*refused/);
    await Deno.remove(empty, { recursive: true });
  }
});

test("an etcd in a cache that others can write to is not run", async () => {
  const folder = await Deno.makeTempDir({ prefix: "leader-node-planted-" });
  const programs = `${folder}/leader-node/etcd-from-debian/usr/bin`;
  await Deno.mkdir(programs, { recursive: true });
  await Deno.writeTextFile(`${programs}/etcd`, `#!/bin/sh\n: > "${folder}/ran"\n`, { mode: 0o755 });
  await Deno.chmod(`${folder}/leader-node`, 0o777);
  await using etcd = new Task("etcd", [freePort()], {
    ...{ PATH: "/nowhere", ETCD: "", XDG_CACHE_HOME: folder, TMPDIR: `${programs}/etcd`, DENO_DIR: await denoDir() },
  });
  assertEquals(await etcd.ends(), 1);
  assertMatch(
    etcd.printed.join("\n"),
    /It cannot be fetched: expected a folder of this user alone at \S+leader-node or /,
  );
  assert(![...Deno.readDirSync(folder)].some(({ name }) => name === "ran"));
  await Deno.remove(folder, { recursive: true });
});

test("the etcd task serves until it is interrupted, and says when its port is taken", async () => {
  const port = freePort();
  await using etcd = new Task("etcd", [port]);
  await etcd.prints(new RegExp(`etcd serves on http://127.0.0.1:${port}`));
  assert(await listens(port));
  await using second = new Task("etcd", [port]);
  assertEquals(await second.ends(), 1);
  assertEquals(second.printed, [`etcd: port ${port} is in use, maybe by an etcd that runs already`]);
  assertEquals(await etcd.ends("SIGINT"), 0);
  assert(!await listens(port));
  await using wrong = new Task("etcd", ["x"]);
  assertEquals(await wrong.ends(), 2);
});

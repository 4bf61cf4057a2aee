import { assert, assertEquals, assertMatch } from "@std/assert";
import { fileURLToPath } from "node:url";
import { LocalEtcd } from "../dev/local_etcd.ts";
import { OddFolder } from "./support/odd_folder.ts";
import { freePort, Program } from "./support/program.ts";
import { unixTest as test } from "./support/systems.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const PATH = "/usr/bin:/bin";

/** A folder with an executable in it, an empty home and an empty place to work in. */
class Workshop implements AsyncDisposable {
  readonly #place = new OddFolder();
  readonly folder = this.#place.path;
  readonly executable = `${this.folder}leader-node`;

  async make(root: string, ...flags: string[]): Promise<void> {
    const args = ["run", "-A", "--quiet", `${root}dev/compile.ts`, "--output", this.executable, ...flags];
    const { code, stderr } = await Program.run(Deno.execPath(), args);
    assertEquals(code, 0, stderr);
  }

  /** An environment with a home of its own, and nothing else. */
  home(): { cwd: string; env: Record<string, string>; clearEnv: true; cache: string } {
    const home = Deno.makeTempDirSync({ dir: this.folder });
    const cwd = Deno.makeTempDirSync({ dir: this.folder });
    const tmp = Deno.makeTempDirSync({ dir: this.folder });
    return { cwd, env: { HOME: home, TMPDIR: tmp, PATH }, clearEnv: true, cache: `${home}/.cache/leader-node` };
  }

  run(args: string[], options: { cwd: string; env: Record<string, string> }) {
    return Program.run(this.executable, args, options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#place[Symbol.asyncDispose]();
  }
}

function files(folder: string): string[] {
  return [...Deno.readDirSync(folder)].map(({ name }) => name);
}

test("the executable elects, fails over and runs a command, in an empty folder with an empty home", async () => {
  await using shop = new Workshop();
  await shop.make(ROOT);
  const alone = shop.home();
  const version = await shop.run(["--version"], alone);
  assertMatch(version.stdout, /^leader-node \d+\.\d+\.\d+ \([0-9a-f]{7,}\)\n$/, version.stderr);
  const wrong = await shop.run(["--port", "x"], alone);
  assertEquals([wrong.code, wrong.stderr.split(":")[0], wrong.stdout], [2, "leader-node", ""]);
  assert((await shop.run(["--help"], alone)).stdout.includes("Usage: leader-node"));

  await using etcd = await LocalEtcd.start();
  const start = (...command: string[]) => {
    const port = freePort();
    const flags = ["--port", String(port), "--hostname", "127.0.0.1", "--endpoints", etcd.endpoint, "--ttl", "60"];
    const node = Program.start(shop.executable, [...flags, ...command], alone);
    const says = async (text: string) => {
      await node.until(text, async () => {
        const response = await fetch(`http://127.0.0.1:${port}/`).catch(() => undefined);
        return await response?.text() === `${text}\n`;
      });
    };
    return { node, port, says };
  };
  const a = start("--", "sh", "-c", "echo begun; exec sleep 1000");
  await using _a = a.node;
  await a.says("I am the leader");
  await a.node.until("the command", () => Promise.resolve(a.node.output.includes("begun")));
  const b = start("--watchdog");
  await using _b = b.node;
  await b.says(`I am a follower and the leader is on port ${a.port}`);
  const c = start();
  await using _c = c.node;
  await c.says(`I am a follower and the leader is on port ${a.port}`);

  const { command } = await (await fetch(`http://127.0.0.1:${a.port}/status`)).json();
  const { stdout } = await Program.run("ps", ["-o", "comm=", "-p", String(a.node.pid)]);
  assertEquals(stdout.trim(), "leader-node");
  a.node.kill("SIGKILL");
  await b.says("I am the leader");
  const { stdout: state } = await Program.run("ps", ["-o", "stat=", "-p", String(command.pid)]);
  assertMatch(state, /^(Z.*\n)?$/, "its command has ended");
  const page = await fetch(`http://127.0.0.1:${b.port}/`, { headers: { accept: "text/html" } });
  assertMatch(await page.text(), /^<!doctype html>/);
  assertMatch(await (await fetch(`http://127.0.0.1:${b.port}/metrics`)).text(), /^leader_election_master_status/m);

  await b.node.stop("SIGTERM");
  assertEquals((await b.node.status).code, 0);
  await c.says("I am the leader");
  await c.node.stop("SIGINT");
  assertEquals((await c.node.status).code, 0);
  assertEquals(files(alone.cwd), []);
});

test("a self-extracting executable unpacks once, whole, and where nobody else can write", async () => {
  await using shop = new Workshop();
  {
    await using folder = await OddFolder.withRepository();
    await shop.make(folder.path, "--self-extracting");
  }
  const version = ["--version"];

  const fresh = shop.home();
  const both = await Promise.all([1, 2, 3].map(() => shop.run(version, fresh)));
  assertEquals(both.map(({ code, stderr }) => [code, stderr]), [[0, ""], [0, ""], [0, ""]]);
  const [unpacked, ...others] = files(fresh.cache);
  assertEquals(others, []);
  assert(!files(`${fresh.cache}/${unpacked}`).some((name) => name.startsWith(".new-")));
  assertEquals(Deno.statSync(fresh.cache).mode! & 0o077, 0);

  // Whoever cleans up old files takes some, or leaves empty ones.
  const unpackedFiles = files(`${fresh.cache}/${unpacked}`).filter((name) => !name.startsWith("."));
  assert(unpackedFiles.length > 2);
  for (const name of unpackedFiles) {
    const file = `${fresh.cache}/${unpacked}/${name}`;
    for (const spoil of [() => Deno.remove(file), () => Deno.truncate(file)]) {
      if (name !== unpackedFiles[0] && name !== "main.js") continue;
      await spoil();
      const healed = await shop.run(version, fresh);
      assertEquals([healed.code, healed.stdout], [0, both[0]!.stdout], healed.stderr);
    }
  }
  assertEquals(files(fresh.cache), [unpacked]);

  // The first start leaves the command what every later one does.
  for (const home of [shop.home(), fresh]) {
    const start = 'umask 027; exec "$0" --port 0 --endpoints 127.0.0.1:1';
    await using node = Program.start("sh", ["-c", start, shop.executable], home);
    await node.until("to listen", () => Promise.resolve(node.output.includes(" listening ")));
    if (Deno.build.os === "linux") assertMatch(await Deno.readTextFile(`/proc/${node.pid}/status`), /^Umask:\t0027$/m);
    await node.stop();
  }

  for (const missing of ["find", "gzip"]) {
    const bare = shop.home();
    for (const folder of PATH.split(":")) {
      for (const name of files(folder)) {
        if (name !== missing) await Deno.symlink(`${folder}/${name}`, `${bare.cwd}/${name}`).catch(() => {});
      }
    }
    const { code, stderr } = await shop.run(version, { ...bare, env: { ...bare.env, PATH: bare.cwd } });
    const line = `leader-node: cannot unpack itself without ${missing}, which is not on the PATH\n`;
    assertEquals([code, stderr], [1, line]);
  }

  const killed = shop.home();
  await Deno.writeTextFile(`${killed.cwd}/tar`, "#!/bin/sh\necho $$ > pid.new; mv pid.new pid; exec sleep 100", {
    mode: 0o755,
  });
  const env = { ...killed.env, PATH: `${killed.cwd}:${PATH}` };
  await using unpacking = Program.start(shop.executable, version, { ...killed, env });
  const pid = async () => (await Deno.readTextFile(`${killed.cwd}/pid`).catch(() => "")).trim();
  await unpacking.until("the unpacking", async () => await pid() !== "");
  assertEquals(files(killed.cache).length, 1);
  unpacking.kill("SIGKILL");
  await unpacking.status;
  const from = performance.now();
  while (files(killed.cache).length > 0) {
    assert(performance.now() - from < 5000, "it leaves something behind");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  Deno.kill(Number(await pid()), "SIGKILL");
  await unpacking.stop();

  if (Deno.uid() === 0) {
    const sealed = shop.home();
    const mount = 'mount -t tmpfs -o ro none "$HOME" && mount -t tmpfs -o ro none "$TMPDIR" && exec "$0" --version';
    const readOnly = await Program.run("unshare", ["-m", "sh", "-c", mount, shop.executable], sealed);
    assertEquals(readOnly.code, 1);
    assertMatch(
      readOnly.stderr,
      /^leader-node: cannot unpack itself: .+ is on a read-only file system; XDG_CACHE_HOME/m,
    );
  }

  const full = shop.home();
  const limited = await Program.run("sh", ["-c", `ulimit -f 20000; exec "$0" --version`, shop.executable], full);
  assertEquals(limited.code, 1);
  assertMatch(limited.stderr, /^leader-node: cannot unpack \d+ MB into .+: free some space, or .* XDG_CACHE_HOME$/m);
  assertEquals(files(full.cache), []);
  assertEquals((await shop.run(version, full)).code, 0, "and as soon as there is room");

  const { HOME: _, ...homeless } = fresh.env;
  const without = { ...shop.home(), env: { ...homeless, TMPDIR: shop.home().env.TMPDIR! } };
  assertEquals((await shop.run(version, without)).code, 0);
  const [temporary] = files(without.env.TMPDIR);
  assertMatch(temporary!, /^leader-node-\d+$/);

  await Deno.chmod(`${without.env.TMPDIR}/${temporary}`, 0o777);
  const unsafe = await shop.run(version, without);
  assertEquals(unsafe.code, 1);
  assertMatch(unsafe.stderr, /^leader-node: cannot unpack itself: expected a folder of this user alone at .+; XDG_/);
});

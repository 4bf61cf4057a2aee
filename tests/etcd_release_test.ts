/** etcd is fetched as the archive of a release, from a server that stands for that of the releases. */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { fileURLToPath } from "node:url";
import { EtcdNotFoundError, fetchEtcd, findEtcd } from "../dev/find_etcd.ts";
import { onPath } from "../dev/search_path.ts";
import { denoDir } from "./support/deno_dir.ts";
import { Program } from "./support/program.ts";

const NAME = "etcd-v9.9.9-linux-amd64";
const FILE = `${NAME}.tar.gz`;
/** BSD's tar, which is the `tar` of macOS and Windows, and knows zip. */
const BSDTAR = onPath("bsdtar");

/** A server with a release of the etcd at hand, and an empty cache; there is no apt-get on the PATH. */
class Releases implements AsyncDisposable {
  readonly cache = Deno.makeTempDirSync({ prefix: "leader-node-cache " });
  readonly asked: string[] = [];
  /** What it answers instead of the file itself. */
  readonly instead: Record<string, () => Response> = {};
  readonly #folder = Deno.makeTempDirSync();
  readonly #path = Deno.env.get("PATH")!;
  readonly #server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async ({ url }) => {
    const { pathname } = new URL(url);
    this.asked.push(pathname);
    const name = pathname.slice(pathname.lastIndexOf("/") + 1);
    if (pathname.startsWith("/bad/")) return this.instead[name]?.() ?? new Response("", { status: 404 });
    return new Response(await Deno.readFile(`${this.#folder}/${name}`));
  });
  readonly base = `http://127.0.0.1:${this.#server.addr.port}/good`;
  readonly bad = `http://127.0.0.1:${this.#server.addr.port}/bad`;

  static async make(): Promise<Releases> {
    const { etcd } = await findEtcd();
    const releases = new Releases();
    const folder = releases.#folder;
    await Deno.mkdir(`${folder}/${NAME}`);
    await Deno.copyFile(etcd, `${folder}/${NAME}/etcd`);
    await Deno.writeTextFile(`${folder}/${NAME}/etcdctl`, "#!/bin/sh\n", { mode: 0o755 });
    await Program.run("tar", ["-czf", FILE, NAME], { cwd: folder, env: { GZIP: "-1" } });
    const { stdout } = await Program.run("sha256sum", [FILE], { cwd: folder });
    await Deno.writeTextFile(`${folder}/SHA256SUMS`, `${"0".repeat(64)}  ${FILE}.asc\n${stdout}`);
    await Deno.mkdir(`${folder}/bin`);
    for (const name of ["tar", "gzip"]) await Deno.symlink(onPath(name)!, `${folder}/bin/${name}`);
    Deno.env.set("PATH", `${folder}/bin`);
    return releases;
  }

  /** Adds an archive as there are for systems other than Linux; from now on, `tar` is BSD's. */
  async addZip(name: string, program: string): Promise<void> {
    const folder = this.#folder;
    await Deno.rename(`${folder}/${NAME}`, `${folder}/${name}`);
    await Deno.rename(`${folder}/${name}/etcd`, `${folder}/${name}/${program}`);
    await Program.run(BSDTAR!, ["-c", "--format", "zip", "-f", `${name}.zip`, name], { cwd: folder });
    const { stdout } = await Program.run("/usr/bin/sha256sum", [`${name}.zip`], { cwd: folder });
    await Deno.writeTextFile(`${folder}/SHA256SUMS`, stdout);
    await Deno.remove(`${folder}/bin/tar`);
    await Deno.symlink(BSDTAR!, `${folder}/bin/tar`);
  }

  fetch(...bases: string[]) {
    return fetchEtcd(this.cache, { version: "9.9.9", os: "linux", arch: "x86_64", bases });
  }

  async fails(message: RegExp, ...bases: string[]): Promise<void> {
    const error = await assertRejects(() => this.fetch(...bases), EtcdNotFoundError);
    assertMatch(error.message, message);
    assertEquals(this.cached, ["etcd.lock"]);
  }

  get file(): Promise<Uint8Array<ArrayBuffer>> {
    return Deno.readFile(`${this.#folder}/${FILE}`);
  }

  get sums(): string {
    return Deno.readTextFileSync(`${this.#folder}/SHA256SUMS`);
  }

  get cached(): string[] {
    return Array.from(Deno.readDirSync(this.cache), ({ name }) => name).sort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    Deno.env.set("PATH", this.#path);
    await this.#server.shutdown();
    for (const folder of [this.cache, this.#folder]) await Deno.remove(folder, { recursive: true });
  }
}

const test = (name: string, fn: (releases: Releases) => Promise<void>) =>
  Deno.test({
    name,
    ignore: Deno.build.os !== "linux",
    fn: async () => {
      await using releases = await Releases.make();
      await fn(releases);
    },
  });

test("without apt, a release is fetched once, also by two at once, and runs", async (releases) => {
  // What a killed process has left.
  await Deno.mkdir(`${releases.cache}/etcd.new/${NAME}`, { recursive: true });
  await Deno.writeTextFile(`${releases.cache}/etcd.new/${NAME}/etcd`, "");
  const [one, two] = await Promise.all([releases.fetch(releases.base), releases.fetch(releases.base)]);
  assertEquals(one, { etcd: `${releases.cache}/etcd-v9.9.9/etcd`, etcdctl: `${releases.cache}/etcd-v9.9.9/etcdctl` });
  assertEquals(two, one);
  assertEquals(releases.asked, ["/good/v9.9.9/SHA256SUMS", `/good/v9.9.9/${FILE}`]);
  assertEquals(releases.cached, ["etcd-v9.9.9", "etcd.lock"]);
  assertMatch((await Program.run(one.etcd, ["--version"])).stdout, /^etcd Version: 3\./);
  assertEquals(await releases.fetch(releases.base), one);
  assertEquals(releases.asked.length, 2);
});

for (const os of ["darwin", "windows"] as const) {
  const name = `the release for ${os}, a zip, is unpacked by BSD's tar, and is not the archive of another system`;
  Deno.test({ name, ignore: !BSDTAR || Deno.build.os !== "linux", fn: () => fetchesZip(os) });
}

async function fetchesZip(os: "darwin" | "windows"): Promise<void> {
  await using releases = await Releases.make();
  const program = os === "windows" ? "etcd.exe" : "etcd";
  const { cache, asked, base } = releases;
  await releases.addZip(`etcd-v9.9.9-${os}-amd64`, program);
  const { etcd } = await fetchEtcd(cache, { version: "9.9.9", os, arch: "x86_64", bases: [base] });
  assertEquals(etcd, `${cache}/etcd-v9.9.9/${program}`);
  assertEquals(asked, ["/good/v9.9.9/SHA256SUMS", `/good/v9.9.9/etcd-v9.9.9-${os}-amd64.zip`]);
  assertMatch((await Program.run(etcd, ["--version"])).stdout, /^etcd Version: 3\./);
}

test("a release is fetched by its version, for a run of the tests against it", async ({ cache, base, asked }) => {
  const script = fileURLToPath(new URL("../dev/fetch_etcd.ts", import.meta.url));
  const fetched = (version: string) =>
    Program.run(Deno.execPath(), ["run", "-A", "--quiet", script, version], {
      env: { ETCD_DOWNLOAD_URL: base, XDG_CACHE_HOME: cache },
    });
  const etcd = `${cache}/leader-node/etcd-v9.9.9/etcd`;
  for (let times = 0; times < 2; times++) {
    const { code, stdout } = await fetched("9.9.9");
    assertEquals([code, stdout], [0, `${etcd}\n`]);
  }
  assertEquals(asked.length, 2);
  const wrong = await fetched("3.5");
  assertEquals([wrong.code, wrong.stdout, wrong.stderr.includes("expected a version")], [1, "", true]);
});

test("what is not the release is thrown away: a wrong sum, a cut download, an archive that is none", async (releases) => {
  const { instead, bad } = releases;
  const file = await releases.file;
  instead["SHA256SUMS"] = () => new Response(releases.sums);
  instead[FILE] = () => new Response(file.slice(0, -1));
  await releases.fails(
    /v9\.9\.9\/etcd-v9\.9\.9-linux-amd64\.tar\.gz: its SHA-256 is [0-9a-f]{64}, expected [0-9a-f]{64}$/,
    bad,
  );
  instead[FILE] = () => {
    // Half of it, and then the connection is gone.
    const half = ReadableStream.from([file.slice(0, file.length / 2)]);
    const cut = new TransformStream({ flush: (controller) => controller.error(new Error("cut")) });
    return new Response(half.pipeThrough(cut), { headers: { "content-length": String(file.length) } });
  };
  await releases.fails(/v9\.9\.9\/etcd-v9\.9\.9-linux-amd64\.tar\.gz: /, bad);
  instead["SHA256SUMS"] = () => new Response("");
  await releases.fails(/SHA256SUMS beside it does not list it$/, bad);
  delete instead["SHA256SUMS"];
  await releases.fails(/\/bad\/v9\.9\.9\/SHA256SUMS answered 404$/, bad);
  const noArchive = new Uint8Array(1000);
  const sum = new Uint8Array(await crypto.subtle.digest("SHA-256", noArchive)).toHex();
  instead["SHA256SUMS"] = () => new Response(`${sum}  ${FILE}\n`);
  instead[FILE] = () => new Response(noArchive);
  await releases.fails(/cannot be unpacked: |has no etcd in it$/, bad);

  const { etcd } = await releases.fetch(bad, releases.base);
  assert(etcd.startsWith(releases.cache), "the second place has it");
});

Deno.test({
  name: "a full disk is told in a line, and what was fetched of a release is thrown away",
  ignore: Deno.build.os !== "linux" || Deno.uid() !== 0 || !onPath("unshare"),
  fn: async () => {
    const unshare = onPath("unshare")!;
    await using releases = await Releases.make();
    const { cache, base } = releases;
    const script = fileURLToPath(new URL("../dev/fetch_etcd.ts", import.meta.url));
    const fetching =
      `mount -t tmpfs -o size=1m none "$XDG_CACHE_HOME" && "$0" run -A --quiet "$1" 9.9.9; echo "exit code $?"
      ls -A "$XDG_CACHE_HOME/leader-node"`;
    const { stdout, stderr } = await Program.run(unshare, ["-m", "/bin/sh", "-c", fetching, Deno.execPath(), script], {
      env: { ETCD_DOWNLOAD_URL: base, XDG_CACHE_HOME: cache, PATH: "/bin:/usr/bin", DENO_DIR: await denoDir() },
    });
    assertEquals(stdout, "exit code 1\n");
    assertMatch(stderr, /^fetch_etcd: .*\.tar\.gz: No space left on device \(os error 28\)[^\n]*\n$/m);
  },
});

test("a release with a known sum is not believed its own list", async ({ cache, asked, bad, instead }) => {
  const file = "etcd-v3.5.33-linux-amd64.tar.gz";
  instead[file] = () => new Response("another");
  const sum = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode("another"))).toHex();
  instead["SHA256SUMS"] = () => new Response(`${sum}  ${file}\n`);
  const release = { version: "3.5.33", os: "linux", arch: "x86_64", bases: [bad] } as const;
  const error = await assertRejects(() => fetchEtcd(cache, release), EtcdNotFoundError);
  assertMatch(error.message, /expected 5025b5b24d81/);
  assertEquals(asked, [`/bad/v3.5.33/${file}`]);
});

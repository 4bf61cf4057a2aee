import { assertEquals } from "@std/assert";
import { cacheFolders, findCache, isOurs } from "../../dev/cache_folder.ts";

function folders(os: typeof Deno.build.os, env: Record<string, string>): string[] {
  return cacheFolders({ os, uid: os === "windows" ? null : 7, env: (name) => env[name] });
}

Deno.test("the cache is the user's, and without a home a folder of the user's own among the temporary files", () => {
  const home = { HOME: "/home/a b" };
  assertEquals(folders("linux", home), ["/home/a b/.cache/leader-node", "/tmp/leader-node-7"]);
  assertEquals(folders("darwin", { ...home, XDG_CACHE_HOME: "/c", TMPDIR: "/t" }), [
    "/c/leader-node",
    "/t/leader-node-7",
  ]);
  assertEquals(folders("linux", {}), ["/tmp/leader-node-7"]);
  assertEquals(folders("windows", { LOCALAPPDATA: "C:\\L", TEMP: "C:\\T" }), ["C:\\L\\leader-node"]);
  assertEquals(folders("windows", {}), []);
});

Deno.test("a folder is ours if it is one, and nobody else can write to it", () => {
  const own = { isDirectory: true, uid: 7, mode: 0o40755 };
  const here = { os: "linux", uid: 7 } as const;
  assertEquals(isOurs(own, here), true);
  assertEquals(isOurs({ ...own, uid: 8 }, here), false);
  for (const mode of [0o40775, 0o40757, 0o41777]) assertEquals(isOurs({ ...own, mode }, here), false);
  assertEquals(isOurs({ ...own, isDirectory: false }, here), false);
  assertEquals(isOurs({ isDirectory: true, uid: null, mode: null }, { os: "windows", uid: null }), true);
});

// On Windows, the folders of a user are the user's alone.
const ignore = Deno.build.os === "windows";

Deno.test("a cache in which others can write, or that is a link, is passed over", { ignore }, async () => {
  const base = await Deno.makeTempDir();
  const env: Record<string, string> = { XDG_CACHE_HOME: `${base}/cache`, TMPDIR: base };
  const place = { os: Deno.build.os, uid: Deno.uid(), env: (name: string) => env[name] };
  const [best, other] = cacheFolders(place) as [string, string];
  assertEquals(await findCache(place), best);
  assertEquals(Deno.lstatSync(best).mode! & 0o777, 0o700);
  await Deno.chmod(best, 0o777);
  assertEquals(await findCache(place), other);
  await Deno.remove(other);
  await Deno.symlink(`${base}/cache`, other);
  assertEquals(await findCache(place), undefined);
  await Deno.remove(base, { recursive: true });
});

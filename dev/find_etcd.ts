import { Program } from "./program.ts";

/** There is no etcd, and it cannot be fetched; the message is for the user. */
export class EtcdNotFoundError extends Error {
  override readonly name = "EtcdNotFoundError";
}

/** The programs of etcd. */
export interface EtcdPrograms {
  readonly etcd: string;
  /** Absent if only the server was found. */
  readonly etcdctl?: string;
}

const HOW_TO_INSTALL = `no etcd found. Name one with ETCD=/path/to/etcd, or install it:
  Debian, Ubuntu:  apt-get install etcd-server etcd-client
  macOS:           brew install etcd
  others:          https://github.com/etcd-io/etcd/releases`;

/**
 * Finds etcd and etcdctl: what `ETCD` names, then `PATH`, then what was fetched before, then Debian's
 * packages, unpacked into the user's cache without being installed.
 *
 * @throws {EtcdNotFoundError} If there is none.
 */
export async function findEtcd(): Promise<EtcdPrograms> {
  const named = Deno.env.get("ETCD");
  if (named) {
    if (!await isFile(named)) throw new EtcdNotFoundError(`ETCD is ${named}: expected the path of an etcd program`);
    const beside = named.replace(/[^/]*$/, "etcdctl");
    return { etcd: named, etcdctl: await isFile(beside) ? beside : await onPath("etcdctl") };
  }
  const etcd = await onPath("etcd");
  if (etcd) return { etcd, etcdctl: await onPath("etcdctl") };
  const cache = `${cacheFolder()}/etcd-from-debian`;
  const cached = { etcd: `${cache}/usr/bin/etcd`, etcdctl: `${cache}/usr/bin/etcdctl` };
  if (!await isFile(cached.etcd)) await fetchFromDebian(cache);
  return cached;
}

async function fetchFromDebian(target: string): Promise<void> {
  if (!await onPath("apt-get") || !await onPath("dpkg-deb")) throw new EtcdNotFoundError(HOW_TO_INSTALL);
  await Deno.mkdir(cacheFolder(), { recursive: true });
  // One at a time: tests that run at once all ask for it, and apt-get has locks that it does not wait for.
  using lock = await Deno.open(`${cacheFolder()}/etcd.lock`, { create: true, write: true });
  await lock.lock(true);
  if (await isFile(`${target}/usr/bin/etcd`)) return;
  console.error("Fetching etcd from Debian's packages into the cache, once ...");
  const work = await Deno.makeTempDir({ dir: cacheFolder() });
  try {
    const download = () => run(work, "apt-get", "-q", "download", "etcd-server", "etcd-client");
    if (!await download() && !(await run(work, "apt-get", "-q", "update") && await download())) {
      throw new EtcdNotFoundError(HOW_TO_INSTALL);
    }
    for await (const { name } of Deno.readDir(work)) {
      if (name.endsWith(".deb") && !await run(work, "dpkg-deb", "-x", name, "etcd")) {
        throw new EtcdNotFoundError(HOW_TO_INSTALL);
      }
    }
    // All or nothing.
    await Deno.rename(`${work}/etcd`, target);
  } finally {
    await Deno.remove(work, { recursive: true });
  }
}

async function run(cwd: string, command: string, ...args: string[]): Promise<boolean> {
  return (await Program.run(command, args, { cwd })).code === 0;
}

function cacheFolder(): string {
  const base = Deno.env.get("XDG_CACHE_HOME") || `${Deno.env.get("HOME") ?? "/tmp"}/.cache`;
  return `${base}/leader-node`;
}

async function onPath(program: string): Promise<string | undefined> {
  for (const folder of (Deno.env.get("PATH") ?? "").split(":")) {
    if (folder && await isFile(`${folder}/${program}`)) return `${folder}/${program}`;
  }
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isFile;
  } catch {
    return false;
  }
}

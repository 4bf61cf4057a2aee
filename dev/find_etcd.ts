import { cacheFolders, findCache } from "./cache_folder.ts";
import { Program } from "./program.ts";
import { beside, isFile, onPath } from "./search_path.ts";

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
    if (!isFile(named)) throw new EtcdNotFoundError(`ETCD is ${named}: expected the path of an etcd program`);
    const etcdctl = beside(named, "etcdctl");
    return { etcd: named, etcdctl: isFile(etcdctl) ? etcdctl : onPath("etcdctl") };
  }
  const etcd = onPath("etcd");
  if (etcd) return { etcd, etcdctl: onPath("etcdctl") };
  const cache = await findCache();
  if (cache === undefined) {
    // What others can write there is not run.
    const expected = `expected a folder of this user alone at ${cacheFolders().join(" or ")}`;
    throw new EtcdNotFoundError(`${HOW_TO_INSTALL}\nIt cannot be fetched: ${expected}`);
  }
  const fetched = `${cache}/etcd-from-debian`;
  const cached = { etcd: `${fetched}/usr/bin/etcd`, etcdctl: `${fetched}/usr/bin/etcdctl` };
  if (!isFile(cached.etcd)) await fetchFromDebian(cache, fetched);
  return cached;
}

async function fetchFromDebian(cache: string, target: string): Promise<void> {
  if (!onPath("apt-get") || !onPath("dpkg-deb")) throw new EtcdNotFoundError(HOW_TO_INSTALL);
  // One at a time: tests that run at once all ask for it, and apt-get has locks that it does not wait for.
  using lock = await Deno.open(`${cache}/etcd.lock`, { create: true, write: true });
  await lock.lock(true);
  if (isFile(`${target}/usr/bin/etcd`)) return;
  console.error("Fetching etcd from Debian's packages into the cache, once ...");
  const work = await Deno.makeTempDir({ dir: cache });
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

import { cacheFolders, findCache } from "./cache_folder.ts";
import { fetchFromApt } from "./etcd_from_apt.ts";
import { fetchRelease, ownRelease, ReleaseError, type ReleaseOptions } from "./etcd_release.ts";
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
  others:          https://github.com/etcd-io/etcd/releases; ETCD_DOWNLOAD_URL names a mirror`;

/**
 * Finds etcd and etcdctl: what `ETCD` names, then `PATH`, then what was fetched before, then Debian's packages or the
 * archive of a release, unpacked into the user's cache without being installed.
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
  if (cache !== undefined) return await fetchEtcd(cache);
  // What others can write there is not run.
  const expected = `expected a folder of this user alone at ${cacheFolders().join(" or ")}`;
  throw new EtcdNotFoundError(`${HOW_TO_INSTALL}\nIt cannot be fetched: ${expected}`);
}

/**
 * The etcd in a cache; it is fetched if it is not there.
 *
 * @throws {EtcdNotFoundError} If that cannot be done.
 */
export async function fetchEtcd(cache: string, release: ReleaseOptions = ownRelease()): Promise<EtcdPrograms> {
  const debian = `${cache}/etcd-from-debian`;
  const released = `${cache}/etcd-v${release.version}`;
  const cached = () => [`${debian}/usr/bin`, released].map((folder) => programsIn(folder, release.os)).find(Boolean);
  const before = cached();
  if (before) return before;
  // One at a time: tests that run at once all ask for it, and apt-get has locks that it does not wait for.
  using lock = await Deno.open(`${cache}/etcd.lock`, { create: true, write: true });
  await lock.lock(true);
  const meanwhile = cached();
  if (meanwhile) return meanwhile;
  // Also what was left by those that were killed.
  const work = `${cache}/etcd.new`;
  const emptied = async () => {
    await Deno.remove(work, { recursive: true }).catch(() => {});
    await Deno.mkdir(work);
    return work;
  };
  try {
    if (!await fetchFromApt(debian, await emptied())) await fetchRelease(released, await emptied(), release);
  } catch (error) {
    if (!(error instanceof ReleaseError)) throw error;
    throw new EtcdNotFoundError(`${HOW_TO_INSTALL}\nIt cannot be fetched:\n${error.message.replaceAll(/^/gm, "  ")}`);
  } finally {
    await Deno.remove(work, { recursive: true });
  }
  return cached()!;
}

function programsIn(folder: string, os: typeof Deno.build.os): EtcdPrograms | undefined {
  const [etcd, etcdctl] = ["etcd", "etcdctl"].map((name) => beside(`${folder}/`, name, os)) as [string, string];
  return isFile(etcd) ? { etcd, etcdctl: isFile(etcdctl) ? etcdctl : undefined } : undefined;
}

/** `deno run -A dev/fetch_etcd.ts VERSION`: fetches a release of etcd into the cache and prints the path of its server. */
import { findCache } from "./cache_folder.ts";
import { fetchRelease, ownRelease, ReleaseError } from "./etcd_release.ts";
import { beside, isFile } from "./search_path.ts";

async function main([version, ...others]: readonly string[]): Promise<string> {
  if (!/^\d+\.\d+\.\d+$/.test(version ?? "") || others.length > 0) {
    throw new ReleaseError(`unexpected arguments; expected a version such as 3.6.14`);
  }
  const cache = await findCache();
  if (cache === undefined) throw new ReleaseError("there is no folder of this user alone to cache it in");
  const target = `${cache}/etcd-v${version}`;
  const etcd = beside(`${target}/`, "etcd");
  if (isFile(etcd)) return etcd;
  const work = await Deno.makeTempDir({ dir: cache, prefix: "etcd.new-" });
  try {
    await fetchRelease(target, work, { ...ownRelease(), version: version! });
  } finally {
    await Deno.remove(work, { recursive: true });
  }
  return etcd;
}

try {
  console.log(await main(Deno.args));
} catch (error) {
  if (!(error instanceof ReleaseError)) throw error;
  console.error(`fetch_etcd: ${error.message}`);
  Deno.exit(1);
}

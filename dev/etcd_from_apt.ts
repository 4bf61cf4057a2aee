/** etcd as Debian's packages, unpacked without being installed. */
import { Program } from "./program.ts";
import { isFile, onPath } from "./search_path.ts";

/** Whether a package's file is of a version that can be used. */
export function isUsable(file: string): boolean {
  const [, major, minor] = /^etcd-(?:server|client)_(?:\d+(?:%3a|:))?(\d+)\.(\d+)/i.exec(file) ?? [];
  return Number(major) > 3 || (Number(major) === 3 && Number(minor) >= 4);
}

/** Fetches the packages into `target`, all or nothing, and says whether that was possible; `work` is an empty folder. */
export async function fetchFromApt(target: string, work: string): Promise<boolean> {
  if (!onPath("apt-get") || !onPath("dpkg-deb")) return false;
  const run = async (command: string, ...args: string[]) =>
    (await Program.run(command, args, { cwd: work })).code === 0;
  console.error("Fetching etcd from Debian's packages into the cache, once ...");
  const download = () => run("apt-get", "-q", "download", "etcd-server", "etcd-client");
  if (!await download() && !(await run("apt-get", "-q", "update") && await download())) return false;
  const packages = Array.from(Deno.readDirSync(work), ({ name }) => name).filter((name) => name.endsWith(".deb"));
  if (!packages.every(isUsable)) return false;
  for (const name of packages) if (!await run("dpkg-deb", "-x", name, "etcd")) return false;
  if (!isFile(`${work}/etcd/usr/bin/etcd`)) return false;
  await Deno.rename(`${work}/etcd`, target);
  return true;
}

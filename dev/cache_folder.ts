/** Where it may be looked up who owns what. */
export interface Place {
  readonly os: typeof Deno.build.os;
  /** Absent on Windows, where the folders of a user are the user's alone. */
  readonly uid: number | null;
  readonly env: (name: string) => string | undefined;
}

const HERE: Place = { os: Deno.build.os, uid: Deno.uid(), env: (name) => Deno.env.get(name) };

/** Where the cache may be, the best place first: of users without a home, below the temporary files. */
export function cacheFolders({ os, uid, env }: Place = HERE): string[] {
  if (os === "windows") {
    const local = env("LOCALAPPDATA") || env("TEMP");
    return local ? [`${local}\\leader-node`] : [];
  }
  const base = env("XDG_CACHE_HOME") || (env("HOME") && `${env("HOME")}/.cache`);
  return [...(base ? [`${base}/leader-node`] : []), `${env("TMPDIR") || "/tmp"}/leader-node-${uid}`];
}

/** Whether nobody else can write to a folder, by what `lstat` says of it. */
export function isOurs(
  { isDirectory, uid, mode }: Pick<Deno.FileInfo, "isDirectory" | "uid" | "mode">,
  place: Pick<Place, "os" | "uid">,
): boolean {
  return isDirectory && (place.os === "windows" || (uid === place.uid && ((mode ?? 0) & 0o022) === 0));
}

/** The folder of what is kept, which is this user's alone; undefined if there can be none. See self_extracting.sh. */
export async function findCache(place: Place = HERE): Promise<string | undefined> {
  for (const folder of cacheFolders(place)) {
    await Deno.mkdir(folder, { recursive: true, mode: 0o700 }).catch(() => {});
    const info = await Deno.lstat(folder).catch(() => undefined);
    if (info && isOurs(info, place)) return folder;
  }
}

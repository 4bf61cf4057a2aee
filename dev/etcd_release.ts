/** etcd as the archive of an official release. */
import { Program } from "./program.ts";
import { beside, isFile } from "./search_path.ts";

/** The release that is fetched. */
export const VERSION = "3.5.33";

/** Known sums; of other archives, the one in the release's own list counts. */
const PINS: Readonly<Record<string, string>> = {
  "etcd-v3.5.33-linux-amd64.tar.gz": "5025b5b24d81a9616b6e284ccd439b9a3df055ef8fdcdc142af3ec8f6a3b3c95",
  "etcd-v3.5.33-linux-arm64.tar.gz": "0764c5c0acef155f4bfa0487791cc5776adef66315bf16ec0653883bfd463a90",
};

/** Where releases are; each has a folder for each version. */
const BASES = ["https://github.com/etcd-io/etcd/releases/download", "https://storage.googleapis.com/etcd"];

/** How long a download may stand still. */
const STALLED_MS = 30_000;

/** A release cannot be had; the message is for the user. */
export class ReleaseError extends Error {}

/** Which release, and from where. */
export interface ReleaseOptions {
  readonly version: string;
  readonly os: typeof Deno.build.os;
  readonly arch: string;
  readonly bases: readonly string[];
}

/** The release for this machine, from where `ETCD_DOWNLOAD_URL` says or else from its makers. */
export function ownRelease(): ReleaseOptions {
  const mirror = Deno.env.get("ETCD_DOWNLOAD_URL")?.replace(/\/+$/, "");
  return { version: VERSION, os: Deno.build.os, arch: Deno.build.arch, bases: mirror ? [mirror] : BASES };
}

/** The name of a release's archive without its ending, which is also the folder in it; undefined if there is none. */
export function releaseName({ version, os, arch }: Omit<ReleaseOptions, "bases">): [string, string] | undefined {
  const known: Record<string, string> = { x86_64: "amd64", aarch64: "arm64" };
  const name = (system: string, arch: string) => `etcd-v${version}-${system}-${arch}`;
  if (os === "linux") return [name(os, known[arch] ?? arch), ".tar.gz"];
  if (os === "darwin") return [name(os, known[arch] ?? arch), ".zip"];
  // On ARM, Windows runs programs for amd64.
  if (os === "windows") return [name(os, "amd64"), ".zip"];
}

/** The sum of a file in a list as `sha256sum` writes it. */
export function sumIn(list: string, file: string): string | undefined {
  return list.split(/\r?\n/).map((line) => /^([0-9a-f]{64}) [ *](.+)$/.exec(line)).find((found) => found?.[2] === file)
    ?.[1];
}

/**
 * The tar that unpacks an archive of a release. For systems other than Linux it is a zip, which only BSD's tar knows;
 * on Windows, Git's shell puts GNU's before it on the PATH.
 */
export function tarFor(os: typeof Deno.build.os, env: (name: string) => string | undefined): string {
  return os === "windows" ? `${env("SystemRoot") ?? "C:\\Windows"}\\System32\\tar.exe` : "tar";
}

/**
 * Fetches a release into `target`, all of it or nothing; `work` is an empty folder on the same disk.
 *
 * @throws {ReleaseError} If that cannot be done.
 */
export async function fetchRelease(target: string, work: string, options: ReleaseOptions): Promise<void> {
  const [name, ending] = releaseName(options) ?? [];
  if (name === undefined) throw new ReleaseError(`there is no release for ${options.os}`);
  const tar = tarFor(Deno.build.os, (name) => Deno.env.get(name));
  const problems: string[] = [];
  for (const base of options.bases) {
    const folder = `${base}/v${options.version}`;
    try {
      await fetchArchive(folder, name + ending, `${work}/archive`);
      const { code, stderr } = await Program.run(tar, ["-xf", "archive"], { cwd: work });
      if (code !== 0) throw new ReleaseError(`cannot be unpacked: ${stderr.trim()}`);
      if (!isFile(beside(`${work}/${name}/`, "etcd", options.os))) throw new ReleaseError("has no etcd in it");
      await Deno.rename(`${work}/${name}`, target);
      return;
    } catch (error) {
      problems.push(`${folder}/${name}${ending}: ${reasonOf(error)}`);
    }
  }
  throw new ReleaseError(problems.join("\n"));
}

async function fetchArchive(folder: string, file: string, path: string): Promise<void> {
  const sum = PINS[file] ?? sumIn(await (await get(`${folder}/SHA256SUMS`)).text(), file);
  if (sum === undefined) throw new ReleaseError("SHA256SUMS beside it does not list it");
  console.error(`Fetching ${folder}/${file} into the cache, once ...`);
  const stalled = new AbortController();
  const response = await get(`${folder}/${file}`, stalled);
  const total = Number(response.headers.get("content-length") ?? 0);
  await Deno.writeFile(path, response.body!.pipeThrough(watched(total, stalled)));
  const bytes = await Deno.readFile(path);
  const found = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
  if (found !== sum) throw new ReleaseError(`its SHA-256 is ${found}, expected ${sum}`);
}

async function get(url: string, controller = new AbortController()): Promise<Response> {
  const timer = setTimeout(() => controller.abort(stalledError()), STALLED_MS);
  try {
    const response = await fetch(url, { signal: controller.signal });
    if (response.ok) return response;
    await response.body?.cancel();
    throw new ReleaseError(`${url} answered ${response.status}`);
  } finally {
    clearTimeout(timer);
  }
}

/** Says how far it is, and aborts a download of which nothing comes. */
function watched(total: number, controller: AbortController): TransformStream<Uint8Array, Uint8Array> {
  let [received, quarters] = [0, 0];
  let timer: ReturnType<typeof setTimeout>;
  const wait = () => timer = setTimeout(() => controller.abort(stalledError()), STALLED_MS);
  controller.signal.addEventListener("abort", () => clearTimeout(timer));
  return new TransformStream({
    start: () => void wait(),
    transform(chunk, stream) {
      clearTimeout(timer);
      wait();
      received += chunk.length;
      const now = total > 0 ? Math.floor(4 * received / total) : 0;
      if (now > quarters) console.error(`${25 * now} % of ${(total / 1e6).toFixed(0)} MB`);
      quarters = now;
      stream.enqueue(chunk);
    },
    flush: () => clearTimeout(timer),
    cancel: () => clearTimeout(timer),
  });
}

function stalledError(): ReleaseError {
  return new ReleaseError(`nothing came for ${STALLED_MS / 1000} s`);
}

function reasonOf(error: unknown): string {
  // That of a failed fetch says no more than that.
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const text = cause instanceof Error ? cause.message : String(cause);
  return text.includes("UnknownIssuer") ? `${text}; DENO_TLS_CA_STORE=system trusts the system's authorities` : text;
}

/**
 * `deno task compile [--output FILE] [--target TRIPLE] [--self-extracting]`: makes one executable. Without
 * `--target`, where Deno's runtime for executables cannot be fetched, a file that unpacks Deno and the program.
 */
import { parseArgs } from "@std/cli/parse-args";
import { fileURLToPath } from "node:url";
import { Program } from "./program.ts";
import { tarOf } from "./tar.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
/** What the bundler puts into each program, for the modules of npm: it takes 5 MB, and only the gRPC client needs it. */
const REQUIRE = `import { createRequire as __deno_internal_createRequire } from "node:module";
var __require = __deno_internal_createRequire(import.meta.url);
`;
const LAZY_REQUIRE = `var __createdRequire;
var __require = (name) =>
  (__createdRequire ??= process.getBuiltinModule("node:module").createRequire(import.meta.url))(name);
`;

/** What went wrong, in a line for the user. */
export class CompileError extends Error {}

/** Where the bundled program is. */
interface Bundle extends AsyncDisposable {
  readonly folder: string;
}

async function main(args: string[]): Promise<void> {
  const flags = parseArgs(args, {
    string: ["output", "target"],
    boolean: ["self-extracting"],
    unknown: (arg) => {
      throw new CompileError(
        `unexpected ${JSON.stringify(arg)}: expected --output FILE, --target TRIPLE, --self-extracting`,
      );
    },
  });
  const { output = "leader-node", target, "self-extracting": selfExtracting } = flags as {
    output?: string;
    target?: string;
    "self-extracting"?: boolean;
  };
  await makeExecutable(output, { target, selfExtracting });
}

/** The name of an executable for a system: on Windows it ends with `.exe`. And a name beside it, while it is made. */
export function executableNames(
  output: string,
  target: string | undefined,
  os: typeof Deno.build.os,
): { readonly file: string; readonly fresh: string } {
  const forWindows = target === undefined ? os === "windows" : target.includes("windows");
  if (!forWindows) return { file: output, fresh: `${output}.new` };
  const name = output.replace(/\.exe$/i, "");
  return { file: `${name}.exe`, fresh: `${name}.new.exe` };
}

/**
 * Makes one executable, and gives the path of it.
 *
 * @throws {CompileError} If that cannot be done.
 */
export async function makeExecutable(
  output: string,
  { target, selfExtracting = false }: { target?: string; selfExtracting?: boolean },
): Promise<string> {
  const { os } = Deno.build;
  if (selfExtracting && os === "windows") throw new CompileError("a self-extracting file needs sh: not on Windows");
  await using bundle = await makeBundle();
  // Whoever starts it meanwhile starts the old one.
  const { file, fresh } = executableNames(output, target, os);
  if (selfExtracting) await makeSelfExtracting(bundle.folder, fresh);
  else {
    const problem = await compile(bundle.folder, fresh, target);
    if (problem !== undefined) {
      const cause = `Deno's runtime for executables cannot be fetched (${problem})`;
      if (target !== undefined || os === "windows") throw new CompileError(cause);
      console.error(`${cause}: making a self-extracting ${file} instead`);
      await makeSelfExtracting(bundle.folder, fresh);
    }
  }
  await Deno.rename(fresh, file);
  return file;
}

/** The program in a few files of JavaScript. */
async function makeBundle(): Promise<Bundle> {
  const folder = await Deno.makeTempDir({ prefix: "leader-node-compile-" });
  await run(Deno.execPath(), [
    "bundle",
    "--quiet",
    "--platform",
    "deno",
    "--code-splitting",
    "--outdir",
    folder,
    "main.ts",
  ]);
  const commit = Deno.env.get("COMMIT") ?? await run("git", ["rev-parse", "--short", "HEAD"]).catch(() => "");
  let found = 0;
  for await (const { name } of Deno.readDir(folder)) {
    const code = await Deno.readTextFile(`${folder}/${name}`);
    found += code.split(REQUIRE).length - 1;
    const patched = code.replaceAll(REQUIRE, () => LAZY_REQUIRE)
      .replaceAll('"@COMMIT@"', JSON.stringify(commit.trim() || "@"));
    await Deno.writeTextFile(`${folder}/${name}`, patched);
  }
  if (found !== 1) throw new CompileError(`the bundle makes require in ${found} places: expected 1`);
  return { folder, [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }) };
}

/** Compiles, and gives the reason if Deno's runtime for executables cannot be fetched. */
async function compile(folder: string, output: string, target?: string): Promise<string | undefined> {
  const args = ["compile", "-A", "--quiet", "--no-config", "--no-check"];
  if (target !== undefined) args.push("--target", target);
  try {
    // To run commands and to find their processes, Deno asks for all permissions; a node without one drops them.
    await run(Deno.execPath(), [...args, "--output", output, `${folder}/main.js`], { cwd: Deno.cwd() });
  } catch (error) {
    const reason = /request for url \(\S*denort\S*\): (.*)/.exec((error as Error).message)?.[1];
    if (reason === undefined) throw error;
    return reason;
  }
}

async function makeSelfExtracting(folder: string, output: string): Promise<void> {
  await Deno.copyFile(Deno.execPath(), `${folder}/leader-node`);
  await Deno.chmod(`${folder}/leader-node`, 0o755);
  const archive = ReadableStream.from(tarOf(folder)).pipeThrough(new CompressionStream("gzip"));
  const payload = await new Response(archive).bytes();
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", payload)).toHex().slice(0, 32);
  const { size } = await Deno.stat(`${folder}/leader-node`);
  const template = await Deno.readTextFile(new URL("self_extracting.sh", import.meta.url));
  const stub = template.replace("@HASH@", hash).replace("@MEGABYTES@", String(Math.ceil(size / 1e6)))
    .replace("@LINES@", String(template.split("\n").length));
  await Deno.writeFile(output, new Blob([stub, payload]).stream(), { mode: 0o755 });
}

async function run(command: string, args: string[], { cwd = ROOT } = {}): Promise<string> {
  const { code, stdout, stderr } = await Program.run(command, args, { cwd, env: { NO_COLOR: "1" } });
  if (code === 0) return stdout;
  throw new CompileError(`${command} ${args[0]} failed:\n${stderr}`);
}

if (import.meta.main) {
  try {
    await main(Deno.args);
  } catch (error) {
    if (!(error instanceof CompileError)) throw error;
    console.error(`compile: ${error.message}`);
    Deno.exit(1);
  }
}

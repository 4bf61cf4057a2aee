import ts from "typescript";
import denoJson from "../deno.json" with { type: "json" };
import { Deno as substitute } from "../nodejs/deno.ts";

/** Where the program is that `npx leader-node` runs. */
export const BIN = "dist/nodejs/bin.js";

/** Of the standard library, the package with the same code on npm, and what it has of it. */
export const STD = { "deno-std": "1.4.0" };
const STD_FILES = ["cli/parse_args.js", "text/closest_string.js", "text/levenshtein_distance.js"];
const STD_IMPORTS: Readonly<Record<string, string>> = {
  "@std/cli/parse-args": "deps/cli/parse_args.js",
  "@std/text/closest-string": "deps/text/closest_string.js",
};

/** Modules that Node.js has in another form. */
const OTHERS: Readonly<Record<string, string>> = {
  "http/server.ts": "nodejs/server.ts",
  "supervise/this_program.ts": "nodejs/this_program.ts",
};
/** Whole folders, and what else the program needs beside the library. */
const FOLDERS = ["cli", "cli/inspect", "supervise"];
const FILES = ["main.ts", "http/files_left.ts", "http/listen_error.ts"];
const SUBSTITUTES = ["bin", "deno", "errors", "files", "missing", "processes", "streams"];

const OPTIONS: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2022,
  module: ts.ModuleKind.CommonJS,
  esModuleInterop: true,
  rewriteRelativeImportExtensions: true,
};

/** Adds the program to a package that has the library, as modules of CommonJS that share the library's. */
export async function addProgram(root: string, folder: string): Promise<void> {
  const write = async (path: string, code: string) => {
    const file = `${folder}/dist/${path.replace(/\.ts$/, ".js")}`;
    await Deno.mkdir(file.slice(0, file.lastIndexOf("/")), { recursive: true });
    await Deno.writeTextFile(file, ts.transpile(code, OPTIONS));
  };
  for (const path of await programFiles(root)) {
    const code = await Deno.readTextFile(`${root}${OTHERS[path] ?? path}`);
    await write(path, path.startsWith("nodejs/") ? code : withDeno(path, code));
  }
  for (const path of STD_FILES) {
    await write(`deps/${path}`, await Deno.readTextFile(`${folder}/node_modules/deno-std/${path}`));
  }
  // What --version reads.
  await Deno.writeTextFile(`${folder}/dist/deno.json`, JSON.stringify({ version: denoJson.version }));
  await Deno.chmod(`${folder}/${BIN}`, 0o755).catch(() => {});
}

async function programFiles(root: string): Promise<string[]> {
  const paths = [...FILES, ...Object.keys(OTHERS), ...SUBSTITUTES.map((name) => `nodejs/${name}.ts`)];
  for (const folder of FOLDERS) {
    for await (const { name, isFile } of Deno.readDir(`${root}${folder}`)) if (isFile) paths.push(`${folder}/${name}`);
  }
  return [...new Set(paths)];
}

/** A module in which `Deno` is the substitute. */
function withDeno(path: string, code: string): string {
  const up = path.replaceAll(/[^/]+\//g, "../").replace(/[^/]+$/, "") || "./";
  const imports = code
    // The program begins elsewhere.
    .replace(/^if \(import\.meta\.main\).*$/m, "")
    .replaceAll(/(?<=from ")@std\/[^"]*(?=")/g, (name) => `${up}${STD_IMPORTS[name]}`);
  const emitted = ts.transpile(imports, { ...OPTIONS, removeComments: true });
  const uses = [...emitted.matchAll(/\bDeno\.(\w+)/g)].map(([, name]) => name!);
  const missing = uses.filter((name) => !(name in substitute));
  if (missing.length > 0) throw new Error(`${path} uses what nodejs/deno.ts does not have: ${missing}`);
  return uses.length === 0 ? imports : `import { Deno } from "${up}nodejs/deno.ts";\n${imports}`;
}

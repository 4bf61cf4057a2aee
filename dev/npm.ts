/** `deno task npm [FOLDER]`: makes the npm package of the library, for Node.js 20 and newer, by default in `npm/`. */
import { fileURLToPath } from "node:url";
import denoJson from "../deno.json" with { type: "json" };
import { Program } from "./program.ts";
import { onPath } from "./search_path.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

const PACKAGE = {
  name: "leader-node",
  version: denoJson.version,
  description: "Leader election over etcd v3: never two leaders at once, and always a leader soon",
  keywords: ["etcd", "leader-election", "election", "lock", "fencing"],
  license: denoJson.license,
  type: "module",
  exports: { ".": { types: "./dist/mod.d.ts", default: "./dist/mod.js" } },
  files: ["dist", "LICENSE", "README.md"],
  engines: { node: ">=20" },
  dependencies: { etcd3: denoJson.imports.etcd3.replace("npm:etcd3@", "") },
  devDependencies: { "@types/node": "20.19.25", typescript: "5.9.3" },
};

const TSCONFIG = {
  compilerOptions: {
    target: "ES2022",
    lib: ["ES2023", "DOM", "ESNext.Disposable"],
    module: "NodeNext",
    rewriteRelativeImportExtensions: true,
    declaration: true,
    strict: true,
    noUncheckedIndexedAccess: true,
    skipLibCheck: true,
    rootDir: "src",
    outDir: "dist",
  },
  include: ["src"],
};

async function main([folder = `${ROOT}npm`]: string[]): Promise<void> {
  await Deno.remove(folder, { recursive: true }).catch(() => {});
  await copySources(`${ROOT}election`, `${folder}/src`);
  for (const name of ["LICENSE", "README.md"]) await Deno.copyFile(`${ROOT}${name}`, `${folder}/${name}`);
  await Deno.writeTextFile(`${folder}/package.json`, JSON.stringify(PACKAGE, null, 2) + "\n");
  await Deno.writeTextFile(`${folder}/tsconfig.json`, JSON.stringify(TSCONFIG));
  await run(folder, onPath("npm") ?? "npm", "install", "--no-audit", "--no-fund", "--ignore-scripts");
  await run(folder, onPath("npx") ?? "npx", "tsc");
}

/** Copies the library; its examples name the package. */
async function copySources(from: string, to: string): Promise<void> {
  await Deno.mkdir(to, { recursive: true });
  for await (const { name, isDirectory } of Deno.readDir(from)) {
    if (isDirectory) await copySources(`${from}/${name}`, `${to}/${name}`);
    else {
      const code = await Deno.readTextFile(`${from}/${name}`);
      await Deno.writeTextFile(
        `${to}/${name}`,
        code.replaceAll(/^( \* import .* from) "\.\/mod\.ts"/gm, '$1 "leader-node"'),
      );
    }
  }
}

async function run(cwd: string, command: string, ...args: string[]): Promise<void> {
  const { code, stdout, stderr } = await Program.run(command, args, { cwd });
  if (code !== 0) throw new Error(`${command} ${args[0] ?? ""} failed:\n${stdout}${stderr}`);
}

if (import.meta.main) await main(Deno.args);

/**
 * `deno task npm [FOLDER]`: makes the npm package, with the library and the program, for Node.js 20 and newer, by
 * default in `npm/`.
 */
import { fileURLToPath } from "node:url";
import denoJson from "../deno.json" with { type: "json" };
import { addProgram, BIN, STD } from "./npm_program.ts";
import { withUndefined } from "./optional_types.ts";
import { Program } from "./program.ts";
import { onPath } from "./search_path.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** The entries of the package, by the files that they come from. */
const ENTRIES: Readonly<Record<string, string>> = {
  ".": "election/mod",
  "./testing": "election/testing",
  "./http": "http/mod",
  "./otel": "election/otel",
};

/** What is no part of the library. */
const DENO_ONLY = ["files_left.ts", "listen_error.ts", "open_files.ts", "server.ts"];

/** Where the source is, as far as a workflow of GitHub tells. */
const [SERVER, REPOSITORY] = ["GITHUB_SERVER_URL", "GITHUB_REPOSITORY"].map((name) => Deno.env.get(name));
const source = `${SERVER}/${REPOSITORY}`;

const PACKAGE = {
  name: "leader-node",
  version: denoJson.version,
  description: "Leader election over etcd v3, with fencing tokens and safe handoffs",
  keywords: ["etcd", "leader-election", "election", "lock", "fencing"],
  license: denoJson.license,
  ...REPOSITORY === undefined ? {} : {
    repository: { type: "git", url: `git+${source}.git` },
    homepage: `${source}/blob/main/docs/nodejs.md`,
    bugs: `${source}/issues`,
  },
  type: "commonjs",
  // Modules of both kinds share one copy of the library, in CommonJS: a Connection of one is a Connection of the other.
  exports: {
    ...Object.fromEntries(
      Object.entries(ENTRIES).map(([name, path]) => [name, {
        import: { types: `./dist/${path}.d.mts`, default: `./dist/${path}.mjs` },
        require: { types: `./dist/${path}.d.ts`, default: `./dist/${path}.js` },
      }]),
    ),
    "./package.json": "./package.json",
  },
  // For what does not know exports.
  main: `./dist/${ENTRIES["."]}.js`,
  types: `./dist/${ENTRIES["."]}.d.ts`,
  typesVersions: {
    "*": Object.fromEntries(
      Object.entries(ENTRIES).filter(([name]) => name !== ".")
        .map(([name, path]) => [name.slice(2), [`./dist/${path}.d.ts`]]),
    ),
  },
  bin: { "leader-node": BIN },
  files: ["dist", "LICENSE", "README.md"],
  sideEffects: false,
  engines: { node: ">=20" },
  dependencies: {
    "@grpc/grpc-js": denoJson.imports["@grpc/grpc-js"].replace("npm:@grpc/grpc-js@", ""),
    etcd3: denoJson.imports.etcd3.replace("npm:etcd3@", ""),
  },
  // For /otel only.
  peerDependencies: { "@opentelemetry/api": "^1.9.0" },
  peerDependenciesMeta: { "@opentelemetry/api": { optional: true } },
  devDependencies: {
    ...STD,
    "@opentelemetry/api": denoJson.imports["@opentelemetry/api"].replace("npm:@opentelemetry/api@", ""),
    "@types/node": "20.19.25",
    typescript: denoJson.imports.typescript.replace("npm:typescript@", ""),
  },
};

const TSCONFIG = {
  compilerOptions: {
    target: "ES2022",
    lib: ["ES2023", "DOM", "DOM.Iterable", "DOM.AsyncIterable", "ESNext.Disposable"],
    // Not NodeNext: Jest cannot carry out import().
    module: "CommonJS",
    moduleResolution: "Node10",
    esModuleInterop: true,
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
  for (const room of ["election", "http"]) await copySources(`${ROOT}${room}`, `${folder}/src/${room}`);
  await Deno.copyFile(`${ROOT}LICENSE`, `${folder}/LICENSE`);
  await Deno.copyFile(`${ROOT}docs/nodejs.md`, `${folder}/README.md`);
  await Deno.writeTextFile(`${folder}/package.json`, JSON.stringify(PACKAGE, null, 2) + "\n");
  await Deno.writeTextFile(`${folder}/tsconfig.json`, JSON.stringify(TSCONFIG));
  await run(folder, onPath("npm") ?? "npm", "install", "--no-audit", "--no-fund", "--ignore-scripts");
  await run(folder, onPath("npx") ?? "npx", "tsc");
  await eachFile(`${folder}/dist`, async (file) => {
    if (!file.endsWith(".d.ts")) return;
    // Older compilers do not know `.ts` in declarations.
    const declarations = (await Deno.readTextFile(file)).replaceAll(/((?:from|import\() ?"\.[^"]*)\.ts"/g, '$1.js"');
    await Deno.writeTextFile(file, withUndefined(declarations));
  });
  await addProgram(ROOT, folder);
  for (const path of Object.values(ENTRIES)) {
    const name = path.slice(path.lastIndexOf("/") + 1);
    for (const ending of ["mjs", "d.mts"]) {
      await Deno.writeTextFile(`${folder}/dist/${path}.${ending}`, `export * from "./${name}.js";\n`);
    }
  }
  console.log(`Made ${PACKAGE.name} ${PACKAGE.version}; in your project: npm install ${folder}`);
}

/** Copies modules; their examples name the package, and a page becomes a module. */
async function copySources(from: string, to: string): Promise<void> {
  await Deno.mkdir(to, { recursive: true });
  for await (const { name, isDirectory } of Deno.readDir(from)) {
    if (isDirectory) await copySources(`${from}/${name}`, `${to}/${name}`);
    else if (name.endsWith(".html")) {
      const page = JSON.stringify(await Deno.readTextFile(`${from}/${name}`));
      await Deno.writeTextFile(`${to}/${name}.ts`, `export default ${page};\n`);
    } else if (!DENO_ONLY.includes(name)) {
      const code = (await Deno.readTextFile(`${from}/${name}`))
        .replaceAll(/^( +\* import .* from) "(\.[^"]*)"/gm, (_, start, path) => `${start} "${packageOf(path, from)}"`)
        .replaceAll(/" with \{ type: "text" \}/g, '.ts"');
      await Deno.writeTextFile(`${to}/${name}`, code);
    }
  }
}

/** The entry of the package for what an example in this folder imports. */
function packageOf(path: string, folder: string): string {
  const { pathname } = new URL(path, `file:///${folder.slice(ROOT.length)}/`);
  const [entry] = Object.entries(ENTRIES).find(([, source]) => pathname === `/${source}.ts`)!;
  return `${PACKAGE.name}${entry.slice(1)}`;
}

async function eachFile(folder: string, run: (file: string) => Promise<void>): Promise<void> {
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    await (isDirectory ? eachFile : run as typeof eachFile)(`${folder}/${name}`, run);
  }
}

async function run(cwd: string, command: string, ...args: string[]): Promise<void> {
  const { code, stdout, stderr } = await Program.run(command, args, { cwd });
  if (code !== 0) throw new Error(`${command} ${args[0] ?? ""} failed:\n${stdout}${stderr}`);
}

if (import.meta.main) await main(Deno.args);

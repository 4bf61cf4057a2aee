/** The npm package, as users of Node.js, Bun, Deno, esbuild and TypeScript have it. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import ts from "typescript";
import denoJson from "../deno.json" with { type: "json" };
import { LocalEtcd } from "../dev/local_etcd.ts";
import { onPath } from "../dev/search_path.ts";
import { OddFolder } from "./support/odd_folder.ts";
import { within } from "./support/until.ts";
import { testProgram } from "./support/npx_node.ts";
import { freePort, hasProgram, Program } from "./support/program.ts";

/** What users install beside it. */
const PACKAGES = [
  "@hono/node-server@2.1.9",
  "@nestjs/common@11.2.10",
  "@nestjs/core@11.2.10",
  "@nestjs/platform-express@11.2.10",
  "@opentelemetry/api@1.9.0",
  "@types/node@20.19.43",
  "bun@1.4.5",
  "esbuild@0.28.2",
  "express@5.3.0",
  "fastify@5.12.8",
  "hono@4.13.19",
  "reflect-metadata@0.2.2",
  "rxjs@7.8.2",
  `typescript@${denoJson.imports.typescript.split("@")[1]}`,
];

/** A program of somebody who has Node.js: two candidates take turns, over a connection that is lost once. */
const TURNS = `
import { Connection, Election, InvalidOptionError, observe } from "leader-node";

const connection = new Connection({ endpoints: [process.argv[2]] });
const leads = async (election) => {
  for await (const state of election) if (state.role === "leader") return state.term;
};
const a = new Election({ name: "jobs", connection, candidate: { id: "a" } });
const first = await leads(a);
const b = new Election({ name: "jobs", endpoints: [process.argv[2]], transport: "gateway", candidate: { id: "b" } });
for await (const { leader } of b) if (leader?.id === "a") break;
console.log("a leads");
for await (const line of process.stdin) break; // etcd was killed and started again.
await a.stop();
const second = await leads(b);
console.log("b leads", second.token > first.token, first.signal.aborted);
const looks = observe({ name: "jobs", endpoints: [process.argv[2]] });
for await (const { leader } of looks) if (leader?.id === "b") break;
try {
  new Election({ name: "" });
} catch (error) {
  console.log(error instanceof InvalidOptionError);
}
await looks.stop();
await b.stop();
await connection.close();
process.stdin.destroy();
`;

/**
 * All entries, by import and by require; ends although memory is collected while a watch is open, which makes fetch of
 * Node.js 20 and 22 forget its signal.
 */
const ENTRIES = `
import http2 from "node:http2";
import { createRequire } from "node:module";
import { Election } from "leader-node";
import { NodeHandler } from "leader-node/http";
import { ElectionTracer } from "leader-node/otel";
import { FakeElection } from "leader-node/testing";

const { Connection } = createRequire(import.meta.url)("leader-node");
const { connect } = http2;
const [, , endpoint, name] = process.argv;
for (const transport of ["grpc", "gateway"]) {
  const connection = new Connection({ endpoints: [endpoint], transport });
  const node = new NodeHandler({ name, id: "a", url: "http://localhost" });
  const election = new Election({ name, connection, candidate: { id: "a" }, onEvent: node.onEvent });
  node.show(election);
  new ElectionTracer(name).follow(election);
  for await (const { role } of election) if (role === "leader") break;
  console.log(transport, await (await node.handle(new Request("http://localhost/"))).text());
  await new Promise((resolve) => setImmediate(resolve));
  globalThis.gc?.();
  await election.stop();
  await connection.close();
}
const replaced = http2.connect !== connect;
console.log(replaced && !process.versions.deno ? "http2 was replaced" : new FakeElection().state.role);
`;

/** What is to be bundled; it tells its first trouble. */
const BUNDLED = `
import { Election } from "leader-node";

const [, , endpoint, transport] = process.argv;
const election = new Election({
  name: "bundled",
  endpoints: [endpoint],
  transport,
  onEvent({ type, message }) {
    if (type !== "etcd-failing") return;
    console.log(message);
    election.stop();
  },
});
for await (const { role } of election) if (role === "leader") break;
console.log(election.state.role);
await election.stop();
`;

/** A user who is strict about optional properties. */
const TYPES = `
import { Connection, Election, type ElectionView } from "leader-node";
import { NodeHandler, toNodeListener } from "leader-node/http";
import { FakeElection } from "leader-node/testing";

const endpoints: string[] | undefined = process.env["ENDPOINTS"]?.split(",");
const connection = new Connection({ endpoints });
const node = new NodeHandler({ name: "a", id: "a", url: "http://a", version: undefined });
const candidate = { id: "a", url: undefined };
export const election: ElectionView = new Election({ name: "a", connection, candidate, onEvent: node.onEvent });
export const fake: ElectionView = new FakeElection();
export const listener = toNodeListener(node.handle);
export const wrong: number = election;
`;

const DECORATORS = {
  target: ts.ScriptTarget.ES2022,
  module: ts.ModuleKind.CommonJS,
  experimentalDecorators: true,
  emitDecoratorMetadata: true,
};

/** The place of the one mistake above. */
const MISTAKE = "(13,14): error TS2322: Type 'ElectionView' is not assignable to type 'number'.";

Deno.test({
  name: "the npm package: runtimes, module systems, bundles, types and frameworks (needs node and npm)",
  ignore: !hasProgram("node") || !hasProgram("npm"),
  fn: async (t) => {
    await using etcd = await LocalEtcd.start();
    await using repository = await OddFolder.withRepository();
    const folder = await Deno.makeTempDir({ prefix: "leader-node-npm-" });
    const bin = `${folder}/node_modules/.bin`;
    const run = async (name: string, ...args: string[]) => {
      const { code, stdout, stderr } = await Program.run(name, args, { cwd: folder });
      assertEquals(code, 0, stdout + stderr);
      return stdout;
    };
    const write = (name: string, text: string) => Deno.writeTextFile(`${folder}/${name}`, text);
    await run(Deno.execPath(), "run", "-A", "--quiet", `${repository.path}dev/npm.ts`, `${folder}/package`);
    await run("npm", "pack", "--silent", "./package");
    const tarball = `./leader-node-${denoJson.version}.tgz`;
    await write("package.json", JSON.stringify({ private: true }));
    await run("npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", tarball, ...PACKAGES);

    await t.step("it elects and goes on when etcd comes back", async () => {
      await write("turns.mjs", TURNS);
      const node = Program.start("node", ["turns.mjs", etcd.endpoint], { cwd: folder, stdin: "piped" });
      await using _ = node;
      await node.until("a to lead", () => Promise.resolve(node.output.includes("a leads")));
      await etcd.stop("SIGKILL");
      await etcd.start();
      await node.write("go on\n");
      assertEquals((await node.status).code, 0, node.output);
      await node.stop();
      assertEquals(node.output, "a leads\nb leads true true\ntrue\n");
    });

    await testProgram(t, etcd, folder);

    const runtimes: Readonly<Record<string, readonly [string, ...string[]]>> = {
      "Node.js 20": ["npx", "-y", "node@20", "--expose-gc"],
      "Node.js 22": ["npx", "-y", "node@22", "--expose-gc"],
      "Node.js 24": ["npx", "-y", "node@24", "--expose-gc"],
      "Bun": [await bunOf(folder), "--expose-gc"],
      "Deno": [Deno.execPath(), "run", "-A", "--v8-flags=--expose-gc"],
    };
    await write("entries.mjs", ENTRIES);
    for (const [name, [program, ...args]] of Object.entries(runtimes)) {
      await t.step(`all entries work by ${name}, and a process ends that has stopped and closed`, async () => {
        const { code, stdout, stderr } = await ended(program, [...args, "entries.mjs", etcd.endpoint, name], folder);
        const expected = "grpc I am the leader\n\ngateway I am the leader\n\nconnecting\n";
        assertEquals([code, stdout], [0, expected], stderr);
      });
    }

    await t.step("it works in bundles, or says what to do", async () => {
      await write("bundled.mjs", BUNDLED);
      const banner = "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);";
      const bundle = async (file: string, ...flags: string[]) => {
        const out = await Deno.makeTempDir({ prefix: "leader-node-bundle-" });
        const where = `--outfile=${out}/${file}`;
        await run(`${bin}/esbuild`, "bundled.mjs", "--bundle", "--platform=node", "--log-level=error", where, ...flags);
        return {
          run: async (transport: string) =>
            (await ended("node", [`${out}/${file}`, etcd.endpoint, transport], out)).stdout,
          [Symbol.asyncDispose]: () => Deno.remove(out, { recursive: true }),
        };
      };
      await using plain = await bundle("app.mjs", "--format=esm");
      assertEquals(await plain.run("gateway"), "leader\n");
      assertStringIncludes(await plain.run("grpc"), "the gRPC client cannot be loaded: Dynamic require");
      await using whole = await bundle("app.mjs", "--format=esm", `--banner:js=${banner}`);
      assertEquals([await whole.run("gateway"), await whole.run("grpc")], ["leader\n", "leader\n"]);
    });

    await t.step("its types are whole, by each way to find modules, also for who is strict", async () => {
      for (const name of ["types.ts", "types.mts", "types.cts"]) await write(name, TYPES);
      const check = async (...args: string[]) => {
        const strict = ["--strict", "--exactOptionalPropertyTypes", "--noUncheckedIndexedAccess"];
        const common = ["--noEmit", "--target", "es2022", "--lib", "es2023,esnext.disposable", "--types", "node"];
        return (await Program.run(`${bin}/tsc`, [...common, ...strict, ...args], { cwd: folder })).stdout.trim();
      };
      const both = await check("--module", "nodenext", "types.mts", "types.cts");
      assertEquals(both, `types.cts${MISTAKE}\ntypes.mts${MISTAKE}`);
      const bundler = await check("--module", "esnext", "--moduleResolution", "bundler", "--skipLibCheck", "types.ts");
      assertEquals(bundler, `types.ts${MISTAKE}`);
      const node10 = await check("--module", "commonjs", "--moduleResolution", "node10", "--skipLibCheck", "types.ts");
      assertEquals(node10, `types.ts${MISTAKE}`);
    });

    await t.step("attw and publint find nothing wrong", async () => {
      assertStringIncludes(await run("npx", "-y", "@arethetypeswrong/cli@0.18.5", tarball), "No problems found");
      assertStringIncludes(await run("npx", "-y", "publint@0.3.25", "--strict", tarball), "All good!");
    });

    await t.step("the examples of docs/library.md run, all in one process", async () => {
      const text = await Deno.readTextFile(`${repository.path}docs/library.md`);
      const examples = [...text.matchAll(/^```ts\n(.*?)^```/gms)].map(([, code]) => code!);
      const files = await Promise.all(examples.map(async (code, index) => {
        // Each has an election of its own.
        const program = code
          .replaceAll(
            /(?<=from ")\.\.\/election\/(\w+)\.ts/g,
            (_, name) => `leader-node${name === "mod" ? "" : `/${name}`}`,
          )
          .replaceAll(/(?<=from ")npm:(\w+)@[\d.]+/g, "$1")
          .replaceAll(/\{\s+name: "jobs"/g, `{ name: "jobs-${index}", endpoints: ["${etcd.endpoint}"]`)
          .replaceAll("http://127.0.0.1:2379", etcd.endpoint)
          .replaceAll("8080", String(freePort()));
        await write(`library-${index}.mjs`, ts.transpile(program, { target: ts.ScriptTarget.ES2022 }));
        return `import("./library-${index}.mjs")`;
      }));
      await write("library.mjs", `await Promise.all([${files.join()}]);`);
      const { code, stderr } = await ended("node", ["library.mjs"], folder);
      assertEquals([code, stderr], [0, ""]);
    });

    const readme = await Deno.readTextFile(`${folder}/package/README.md`);
    for (const name of ["A job for one of many processes", "Express", "Fastify", "Hono", "NestJS", "OpenTelemetry"]) {
      await t.step(`the example of its README runs: ${name}`, async () => {
        const [, language, code] = readme.split(new RegExp(`^#+ ${name}$`, "m"))[1]!.match(/^```(js|ts)\n(.*?)^```/ms)!;
        const port = freePort();
        // Servers wait for connections that clients keep for later.
        using client = Deno.createHttpClient({ poolMaxIdlePerHost: 0 });
        const program = code!.replaceAll("http://127.0.0.1:2379", etcd.endpoint).replaceAll("8080", String(port));
        const file = language === "js" ? "example.mjs" : "example.cjs";
        await write(file, language === "js" ? program : ts.transpile(program, DECORATORS));
        await using node = Program.start("node", [file], { cwd: folder });
        const answers = async (path: string, wanted: string) => {
          const get = () => fetch(`http://127.0.0.1:${port}${path}`, { client }).then((answer) => answer.text());
          await node.until(`${path} to answer`, () => get().then((text) => text === wanted, () => false));
        };
        if (code!.includes("8080")) {
          await answers("/work", "done by the leader\n");
          await answers("/election/", "I am the leader\n");
          // Streams are ended, so that the server closes.
          const events = await fetch(`http://127.0.0.1:${port}/election/events`, { client });
          node.kill("SIGTERM");
          assertStringIncludes(await events.text(), `"is_leader":true`);
        }
        const { code: exitCode, signal } = await within(20_000, "the example to end", node.drained);
        assert(exitCode === 0 || signal === "SIGTERM", node.output);
      });
    }
    await Deno.remove(folder, { recursive: true });
  },
});

/** Runs a program that must end by itself. */
async function ended(program: string, args: readonly string[], cwd: string) {
  const found = onPath(program) ?? program;
  return await Program.run("timeout", ["60", found, ...args], { cwd });
}

/** Bun's own executable: the package links to it by a script that is not run here. */
async function bunOf(folder: string): Promise<string> {
  for await (const { name } of Deno.readDir(`${folder}/node_modules/@oven`)) {
    const file = `${folder}/node_modules/@oven/${name}/bin/bun`;
    if (!name.includes("musl") && (await Program.run(file, ["--version"])).code === 0) return file;
  }
  throw new Error("no Bun for this machine");
}

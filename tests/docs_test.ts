import { assert, assertEquals } from "@std/assert";
import { fileURLToPath } from "node:url";
import { LocalEtcd } from "../dev/local_etcd.ts";
import { OddFolder } from "./support/odd_folder.ts";
import { freePort, Program } from "./support/program.ts";
import { unixTest } from "./support/systems.ts";

const ROOT = new URL("../", import.meta.url);
const SOURCES = [
  "README.md",
  "docs/safety.md",
  "docs/library.md",
  "main.ts",
  "http/mod.ts",
  "http/handler.ts",
  "http/node_listener.ts",
  ...[
    "mod",
    "connection",
    "election",
    "term",
    "state",
    "errors",
    "testing",
    "while_leader",
    "lead",
    "lock",
    "find_leader",
    "otel",
    "otel_metrics",
  ]
    .map((name) => `election/${name}.ts`),
];

/** The TypeScript examples of a text, be it Markdown or JSDoc. */
function examples(text: string): string[] {
  const plain = text.replaceAll(/^ *\* ?/gm, "");
  return [...plain.matchAll(/^```ts\n(.*?)^```/gms)].map(([, code]) => code!);
}

/** The examples of each source; only the place of the library differs from what a reader has. */
const EXAMPLES = await Promise.all(SOURCES.map(async (source) => {
  const found = examples(await Deno.readTextFile(new URL(source, ROOT)));
  return [
    source,
    found.map((code) =>
      code.replaceAll(/from "(\.[^"]*)"/g, (_, path) => `from "${new URL(path, new URL(source, ROOT))}"`)
    ),
  ] as const;
}));

/** Runs Deno on files with these programs, or on `main` beside them. */
async function deno(args: string[], programs: readonly string[], main?: string): Promise<void> {
  const folder = await Deno.makeTempDir({ dir: fileURLToPath(new URL("tests/", ROOT)), prefix: "examples-" });
  try {
    const files = programs.map((_, index) => `${folder}/${index}.ts`);
    await Promise.all(files.map((file, index) => Deno.writeTextFile(file, programs[index]!)));
    if (main !== undefined) await Deno.writeTextFile(`${folder}/main.ts`, main);
    const run = main === undefined ? files : [`${folder}/main.ts`];
    const { code, stderr } = await Program.run(Deno.execPath(), [...args, "--quiet", ...run]);
    assertEquals([code, stderr], [0, ""], programs.join("\n"));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

// All at once: to check them one by one takes a minute.
Deno.test("the examples are well typed as they stand", async () => {
  await deno(["check"], EXAMPLES.flatMap(([, programs]) => programs));
});

for (const [source, programs] of EXAMPLES) {
  Deno.test(`the examples in ${source} run as they stand`, async () => {
    assert(programs.length > 0);
    await using etcd = await LocalEtcd.start();
    // Here, etcd is elsewhere, and they share a process: to start one takes longer than all that they do.
    const local = programs.map((program) =>
      program
        .replaceAll(/(?<!NodeHandler\()\{\s+name: "jobs"/g, `{ name: "jobs", endpoints: ["${etcd.endpoint}"]`)
        .replaceAll("http://127.0.0.1:2379", etcd.endpoint)
        .replaceAll("8080", String(freePort()))
    );
    await deno(["run", "-A"], local, local.map((_, index) => `await import("./${index}.ts");`).join("\n"));
  });
}

unixTest("three nodes started by hand answer as the README says, before and after Ctrl+C", async () => {
  await using etcd = await LocalEtcd.start();
  const readme = await Deno.readTextFile(new URL("README.md", ROOT));
  const ports = new Map(["8080", "8081", "8082"].map((port) => [port, String(freePort())]));
  const local = (text: string) => text.replaceAll(/\b808[012]\b/g, (port) => ports.get(port)!);
  const starts = [...readme.matchAll(/^deno (run -A main\.ts --port 808\d)$/gm)].map(([, args]) => local(args!));
  const answers = [...readme.matchAll(/^```\n(\$ curl.*?)^```/gms)].map((
    [, block],
  ) => [...local(block!).matchAll(/^\$ curl (.*)\n(.*)$/gm)]);
  assertEquals([starts.length, ...answers.map(({ length }) => length)], [3, 3, 2]);
  await using nodes = new AsyncDisposableStack();
  const started: Program[] = [];
  for (const args of starts) {
    const env = { LEADER_NODE_ENDPOINTS: etcd.endpoint, LEADER_NODE_LOG_LEVEL: "debug" };
    const node = nodes.use(Program.start(Deno.execPath(), args.split(" "), { cwd: fileURLToPath(ROOT), env }));
    started.push(node);
    await node.until("to queue", () => Promise.resolve(node.output.includes(" queued ")));
  }
  const [leader, ...others] = started as [Program, ...Program[]];
  const answer = async (block: RegExpExecArray[]) => {
    for (const [, url, line] of block) {
      const says = async () => await (await fetch(`http://${url}`)).text() === `${line}\n`;
      await others[0]!.until(`${url}: ${line}`, says);
    }
  };
  await answer(answers[0]!);
  leader.kill("SIGINT");
  assertEquals((await leader.status).code, 0);
  await answer(answers[1]!);
});

unixTest("the line for production is enough to lead with, in any folder", async () => {
  await using etcd = await LocalEtcd.start();
  await using folder = await OddFolder.withRepository();
  const [, line] = /^(deno run --allow-net [^`]*?--port) 8080$/ms.exec(
    await Deno.readTextFile(new URL("docs/operations.md", ROOT)),
  )!;
  const command = line!.replace("deno run", `exec "$0" run --quiet --no-prompt`);
  await using node = Program.start("sh", ["-c", `${command} 0`, Deno.execPath()], {
    cwd: folder.path,
    env: { LEADER_NODE_ENDPOINTS: etcd.endpoint },
  });
  await node.until("to lead", () => Promise.resolve(node.output.includes(" leading ")));
  await node.stop();
  assertEquals((await node.status).code, 0);
});

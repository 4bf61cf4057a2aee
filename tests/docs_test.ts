import { assert, assertEquals } from "@std/assert";
import { LocalEtcd } from "../dev/local_etcd.ts";
import { Program } from "./support/program.ts";

const ROOT = new URL("../", import.meta.url);
const SOURCES = [
  "README.md",
  "docs/safety.md",
  "docs/library.md",
  "main.ts",
  "http/mod.ts",
  "http/face.ts",
  ...["mod", "connection", "election", "term", "state", "errors", "testing"].map((name) => `election/${name}.ts`),
];

/** The TypeScript examples of a text, be it Markdown or JSDoc. */
function examples(text: string): string[] {
  const plain = text.replaceAll(/^ *\* ?/gm, "");
  return [...plain.matchAll(/^```ts\n(.*?)^```/gms)].map(([, code]) => code!);
}

for (const source of SOURCES) {
  const found = examples(await Deno.readTextFile(new URL(source, ROOT)));
  Deno.test(`the examples in ${source} run as they stand`, async () => {
    assert(found.length > 0);
    await using etcd = await LocalEtcd.start();
    for (const code of found) {
      const file = await Deno.makeTempFile({ dir: new URL("tests/", ROOT).pathname, suffix: ".example.ts" });
      try {
        // Only etcd's address and the place of the library differ from what a reader has.
        const program = code
          .replaceAll(/from "(\.[^"]*)"/g, (_, path) => `from "${new URL(path, new URL(source, ROOT))}"`)
          .replaceAll(/(?<!NodeHandler\()\{ name: "jobs"/g, `{ name: "jobs", endpoints: ["${etcd.endpoint}"]`)
          .replaceAll("http://127.0.0.1:2379", etcd.endpoint);
        await Deno.writeTextFile(file, program);
        const command = new Deno.Command(Deno.execPath(), { args: ["run", "-A", "--check", "--quiet", file] });
        const { code: exitCode, stderr } = await command.output();
        assertEquals([exitCode, new TextDecoder().decode(stderr)], [0, ""], program);
      } finally {
        await Deno.remove(file);
      }
    }
  });
}

Deno.test("the README's line for production is enough to lead with", async () => {
  await using etcd = await LocalEtcd.start();
  const [, line] = /^(deno run --allow-net [^`]*?--port) 8080$/ms.exec(
    await Deno.readTextFile(new URL("README.md", ROOT)),
  )!;
  const info = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).output();
  const { npmCache } = JSON.parse(new TextDecoder().decode(info.stdout));
  const command = line!.replace("deno run", `exec "$0" run --quiet --no-prompt`).replace(
    "$HOME/.cache/deno/npm",
    npmCache,
  );
  await using node = Program.start("sh", ["-c", `${command} 0`, Deno.execPath()], {
    cwd: ROOT.pathname,
    env: { LEADER_NODE_ENDPOINTS: etcd.endpoint },
  });
  await node.until("to lead", () => Promise.resolve(node.output.includes(" leading ")));
  await node.stop();
  assertEquals((await node.status).code, 0);
});

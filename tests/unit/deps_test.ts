import { assertEquals, assertMatch } from "@std/assert";
import { fileURLToPath } from "node:url";
import denoJson from "../../deno.json" with { type: "json" };
import { Program } from "../support/program.ts";

const ROOT = new URL("../../", import.meta.url);
const { imports, links }: { imports: Record<string, string>; links?: readonly string[] } = denoJson;
const STD = Object.entries(imports).filter(([name]) => name.startsWith("@std/"));
// Whoever deletes the links uses JSR itself: nothing replaces it then.
const ignore = links === undefined;

Deno.test("the import map pins each @std package to one version on JSR", () => {
  assertEquals(STD.map(([name]) => name), [
    "@std/assert",
    "@std/cli",
    "@std/streams",
    "@std/text",
    "@std/yaml",
  ]);
  for (const [name, specifier] of STD) assertMatch(specifier, new RegExp(`^jsr:${name}@\\d+\\.\\d+\\.\\d+$`));
});

Deno.test("the linked folders have the names and versions in the import map", { ignore }, async () => {
  const linked = await Promise.all(links!.map(async (folder) => {
    const { name, version } = JSON.parse(await Deno.readTextFile(new URL(`${folder}/deno.json`, ROOT)));
    return [name, `jsr:${name}@${version}`];
  }));
  assertEquals(linked.sort(), STD.sort());
});

Deno.test("with the links, Deno sends no request to JSR", { ignore }, async () => {
  const requests: string[] = [];
  await using jsr = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, ({ url }) => {
    requests.push(new URL(url).pathname);
    return new Response(null, { status: 404 });
  });
  const program = STD.map(([name]) => `import "${name}";`).join("\n");
  const { code, stderr } = await Program.run(Deno.execPath(), ["eval", "--quiet", program], {
    cwd: fileURLToPath(ROOT),
    env: { JSR_URL: `http://127.0.0.1:${jsr.addr.port}/` },
  });
  assertEquals([code, stderr, requests], [0, "", []]);
});

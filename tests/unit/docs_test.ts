import { assert, assertEquals } from "@std/assert";
import { parse } from "@std/yaml";
import { parseCommandLine } from "../../cli/command_line.ts";
import { CONTROL_FLAGS } from "../../cli/control_flags.ts";
import { INSPECT_FLAGS } from "../../cli/inspect/flags.ts";
import { NODE_FLAGS } from "../../cli/node_flags.ts";
import denoJson from "../../deno.json" with { type: "json" };
import { growthChart } from "../../dev/bench/growth_chart.ts";
import { withTables } from "../../dev/flags_page.ts";
import { readText, repositoryFiles, ROOT } from "../support/repository.ts";

Deno.test("the tables of flags are those that --help shows, and leave no flag out", async () => {
  const page = await readText("docs/flags.md");
  assertEquals(page, withTables(page), "run: deno task docs");
  const rows = page.split("\n").filter((line) => line.startsWith("|"));
  for (const [name, flag] of Object.entries({ ...NODE_FLAGS, ...CONTROL_FLAGS, ...INSPECT_FLAGS })) {
    const shown = "envOnly" in flag
      ? `LEADER_NODE_${name.toUpperCase().replaceAll("-", "_")}`
      : `--(\\[no-\\])?${name}`;
    assert(rows.some((row) => new RegExp(`\`${shown}[ \`]`).test(row)), name);
  }
});

Deno.test("docs/http.md names the paths that the OpenAPI document has, and no other", async () => {
  const { paths } = parse(await readText("docs/openapi.yaml"), { schema: "extended" }) as { paths: object };
  const [, table] = /^\| request[^\n]*\n((?:\|[^\n]*\n)+)/m.exec(await readText("docs/http.md"))!;
  const named = table!.split("\n").flatMap((row) => [...row.split("|").at(1)?.matchAll(/\/[\w/<>]*/g) ?? []]);
  const distinct = new Set(named.map(([path]) => path.replace("<path>", "{path}")));
  assertEquals([...distinct].toSorted(), Object.keys(paths).toSorted());
});

Deno.test("every command line of leader-node in a document can be parsed, and every task exists", async () => {
  const found = { commands: 0, tasks: 0 };
  for (const path of repositoryFiles().filter((path) => path.endsWith(".md") && path !== "CHANGELOG.md")) {
    const text = await readText(path);
    for (const [, task] of text.matchAll(/\bdeno(?:@[\d.]+)?["']? task ([a-z][a-z:]*)/g)) {
      assert(Object.hasOwn(denoJson.tasks, task!), `${path}: deno task ${task}`);
      found.tasks++;
    }
    for (const [block] of text.matchAll(/^```\n.*?^```/gms)) {
      const lines = block.matchAll(/^(?:\$ )?(?:\.\/leader-node|leader-node|deno run [^\n]*main\.ts) ([^#\n]*)/gm);
      for (const [, line] of lines) {
        // What follows is for the shell.
        const args = line!.split(/[<>|]/)[0];
        parseCommandLine(args!.trim().split(/ +/), (name) => name.endsWith("TOKEN") ? "a-long-token" : undefined);
        found.commands++;
      }
    }
  }
  assert(found.commands > 5 && found.tasks > 10, JSON.stringify(found));
});

Deno.test("docs/building.md names each package of the import map", async () => {
  const text = await readText("docs/building.md");
  for (const specifier of Object.values(denoJson.imports)) {
    const [, name] = /^[a-z]+:\/?(@?[^@]+)@/.exec(specifier)!;
    assert(text.includes(`[\`${name}\`]`), name);
  }
});

Deno.test("the README can be read in one sitting: it has 160 lines at most", async () => {
  assert((await readText("README.md")).split("\n").length <= 161);
});

Deno.test("the picture of growth shows the tables of the document that it stands in", async () => {
  const [tables, drawn] = await Promise.all(
    ["docs/performance.md", "docs/growth.svg"].map((file) => Deno.readTextFile(new URL(file, ROOT))),
  );
  assertEquals(drawn, growthChart(tables!), "run: deno run -A dev/bench/growth_chart.ts");
});

Deno.test("every event that is logged is explained, and no other", async () => {
  const logged = new Set([
    "lease-granted",
    "queued",
    "queue-changed",
    "etcd-failing",
    "etcd-answers",
    "etcd-data-lost",
    "connecting",
    "log-dropped",
  ]);
  for (const folder of ["cli", "supervise", "http"]) {
    for (const { name } of Deno.readDirSync(new URL(folder, ROOT))) {
      if (!name.endsWith(".ts")) continue;
      const code = await Deno.readTextFile(new URL(`${folder}/${name}`, ROOT));
      const calls = code.matchAll(/log\([^"]*(?:"(?:debug|info|warn|error)"[^"]*)+"([a-z-]+)"(?: : "([a-z-]+)")?/g);
      for (const [, ...events] of calls) for (const event of events) if (event) logged.add(event);
    }
  }
  const text = await Deno.readTextFile(new URL("docs/operations.md", ROOT));
  const explained = [...text.matchAll(/^\| `([a-z-]+)`/gm)].map(([, event]) => event!);
  assertEquals(explained.toSorted(), [...logged].toSorted());
});

import { assertEquals } from "@std/assert";
import { growthChart } from "../../dev/bench/growth_chart.ts";

const ROOT = new URL("../../", import.meta.url);

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

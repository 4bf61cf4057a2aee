import { assertEquals } from "@std/assert";

const ROOT = new URL("../../", import.meta.url);

/** What each folder may import beside its own files: folders, and single files. Others are not checked. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  "cli": ["cli/inspect", "http", "supervise", "election"],
  "cli/inspect": ["cli", "http", "election"],
  "http": ["election"],
  "supervise": ["election"],
  "nodejs": ["http", "main.ts"],
  "election/machine": ["election/errors.ts"],
  "election/etcd": ["election/machine", "election/deferred.ts", "election/errors.ts", "election/store.ts"],
  "election/etcd/grpc": ["election/machine", "election/etcd", "election/deferred.ts"],
  "election/etcd/gateway": ["election/machine", "election/etcd", "election/deferred.ts"],
  "election": ["election/machine", "election/etcd"],
  "dev": ["dev/bench", "dev/mutate", "tests/support", "cli", "cli/inspect", "http", "election", "nodejs"],
  "dev/bench": ["dev", "tests/support", "tests/chaos", "election"],
  "dev/mutate": ["dev"],
  "deps": [],
};

/** The transports, which are loaded when they are used. */
const LAZY = ["election/etcd/link.ts", "election/internal.ts"];

/** The files of `election/` that other folders may import. */
const DOORS = ["election/mod.ts", "election/internal.ts", "election/testing.ts", "election/otel.ts"];

const graph = await imports();

Deno.test("folders import in one direction only", () => {
  const wrong = edges().filter(([from, to]) => {
    const allowed = MAY_IMPORT[folder(from)];
    if (!allowed || folder(from) === folder(to)) return false;
    if (LAZY.includes(from) && /^election\/etcd\/[a-z]+\/client\.ts$/.test(to)) return false;
    return !allowed.includes(folder(to)) && !allowed.includes(to);
  });
  assertEquals(wrong, []);
});

Deno.test("other folders import election/ only by its entries", () => {
  const wrong = edges().filter(([from, to]) =>
    room(to) === "election" && !["election", "tests"].includes(room(from)) && !DOORS.includes(to)
  );
  assertEquals(wrong, []);
});

Deno.test("no file imports itself in a circle, type imports included", () => {
  assertEquals(circle(), undefined);
});

Deno.test("the map in CONTRIBUTING.md names every folder", async () => {
  const text = await Deno.readTextFile(new URL("CONTRIBUTING.md", ROOT));
  const named = [...text.matchAll(/^\| `([a-z]+)\/` /gm)].map(([, name]) => name!);
  const there = [...Deno.readDirSync(ROOT)].filter(({ isDirectory, name }) =>
    isDirectory && !name.startsWith(".") && !["node_modules", "npm", "dist"].includes(name)
  );
  assertEquals(named.toSorted(), there.map(({ name }) => name).toSorted());
});

/** The imports of each file, by their paths from the root. */
async function imports(): Promise<Map<string, string[]>> {
  const found = new Map<string, string[]>();
  for (
    const path of [
      "main.ts",
      ...["cli", "deps", "dev", "election", "http", "nodejs", "supervise", "tests"].flatMap(files),
    ]
  ) {
    const here = new URL(path, ROOT);
    const code = (await Deno.readTextFile(here)).replaceAll(/^ *\/\*\*.*?\*\//gms, "");
    const specifiers = code.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*"(\.[^"]+)"/g);
    const targets = [...specifiers].map(([, specifier]) => new URL(specifier!, here).href.slice(ROOT.href.length));
    found.set(path, targets.filter((target) => target.endsWith(".ts")));
  }
  return found;
}

function files(directory: string): string[] {
  return [...Deno.readDirSync(new URL(`${directory}/`, ROOT))].flatMap(({ name, isDirectory }) =>
    isDirectory
      ? files(`${directory}/${name}`)
      : name.endsWith(".ts") && !name.endsWith(".d.ts")
      ? [`${directory}/${name}`]
      : []
  );
}

function edges(): [from: string, to: string][] {
  return [...graph].flatMap(([from, targets]) => targets.map((to): [string, string] => [from, to]));
}

function room(path: string): string {
  return path.split("/", 1)[0]!;
}

function folder(path: string): string {
  return path.slice(0, path.lastIndexOf("/"));
}

/** A path that ends where it began, if there is one. */
function circle(): string[] | undefined {
  const done = new Set<string>();
  const visit = (path: string, way: readonly string[]): string[] | undefined => {
    if (way.includes(path)) return [...way.slice(way.indexOf(path)), path];
    if (done.has(path)) return undefined;
    for (const next of graph.get(path) ?? []) {
      const found = visit(next, [...way, path]);
      if (found) return found;
    }
    done.add(path);
  };
  for (const path of graph.keys()) {
    const found = visit(path, []);
    if (found) return found;
  }
}

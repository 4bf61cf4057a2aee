import { assertEquals, assertMatch } from "@std/assert";
import { parse } from "@std/yaml";
import denoJson from "../../deno.json" with { type: "json" };
import { readText, repositoryFiles } from "../support/repository.ts";

/** What was measured or released with a version stays true of that version. */
const RECORDS = ["CHANGELOG.md", "docs/performance.md"];

/** Where Deno's version is named: a package, an image, a setting of a workflow, prose. Two numbers are enough. */
const DENO = /\bdeno(?:land\/deno)?(?:-version)?(?:\]\([^)\s]*\))?["']?[@:]? *["']?v?(\d+\.\d+(?:\.\d+)?)\b/gi;

const LEADER_NODE_IMAGE = /\bleader-node:(\d+\.\d+\.\d+)/g;
const NPM_PACKAGE = /\bnpm:\/?((?:@[\w-]+\/)?[\w-]+)@(\d+\.\d+\.\d+)/g;
const ACTION = /\buses: ([\w-]+\/[\w-]+)@(\S+)/g;

interface Workflow {
  readonly permissions?: Readonly<Record<string, string>>;
  readonly jobs: Readonly<
    Record<string, {
      readonly permissions?: Readonly<Record<string, string>>;
      readonly steps?: readonly { readonly uses?: string; readonly run?: string }[];
    }>
  >;
}

interface Mention {
  readonly path: string;
  readonly line: number;
  readonly found: RegExpMatchArray;
}

const pinned = (await readText(".dvmrc")).trim();
const texts = await Promise.all(
  repositoryFiles().filter((path) => !/\.(png|svg|lock)$/.test(path)).map(async (path) => {
    return { path, text: await readText(path) };
  }),
);

Deno.test("every version of Deno that a file names is the one in .dvmrc", () => {
  assertMatch(pinned, /^\d+\.\d+\.\d+$/);
  const mentions = search(DENO).filter(({ path }) => !RECORDS.includes(path));
  const wrong = mentions.filter(({ found: [, version] }) => !`${pinned}.`.startsWith(`${version}.`));
  assertEquals(wrong.map(shown), []);
  const paths = new Set(mentions.map(({ path }) => path));
  for (const path of ["README.md", "Dockerfile"]) assertEquals([path, paths.has(path)], [path, true]);
});

Deno.test("a version of Deno is recognised however it is named", () => {
  const other = "1.2.3";
  for (
    const text of [
      `npx -y deno@${other} task demo`,
      `npx -y "deno@${other}"`,
      `FROM denoland/deno:${other}`,
      `with: { deno-version: v${other} }`,
      `with: { deno-version: "${other}" }`,
      `[Deno](https://deno.com) ${other} or newer`,
      `since Deno ${other}`,
      `Deno v${other}`,
    ]
  ) assertEquals([...text.matchAll(DENO)].map(([, version]) => version), [other], text);
  for (const text of ["deno task test:8080.5", "Deno 2 and newer", `deno bench took ${other} s`]) {
    assertEquals([...text.matchAll(DENO)].map(([all]) => all), [], text);
  }
});

Deno.test("images of leader-node have the version of this source", () => {
  assertEquals(
    search(LEADER_NODE_IMAGE).filter(({ found: [, version] }) => version !== denoJson.version).map(shown),
    [],
  );
});

Deno.test("an npm package that the import map names has the same version everywhere", () => {
  const versions = new Map<string, string>();
  for (const specifier of Object.values(denoJson.imports)) {
    for (const [, name, version] of specifier.matchAll(NPM_PACKAGE)) versions.set(name!, version!);
  }
  const wrong = search(NPM_PACKAGE).filter(({ found: [, name, version] }) => {
    return versions.has(name!) && versions.get(name!) !== version;
  });
  assertEquals(wrong.map(shown), []);
});

Deno.test("actions are pinned by the hash of a commit, with its version", () => {
  const pinned = /\buses: [\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/gm;
  assertEquals(search(ACTION).length, search(pinned).length);
  assertEquals(search(ACTION).length > 0, true);
});

Deno.test("workflows have no right to write but in the jobs that need it, and those run nothing of the repository", async () => {
  for (const name of ["test", "release"]) {
    const workflow = parse(await readText(`.github/workflows/${name}.yml`)) as Workflow;
    assertEquals(workflow.permissions, { contents: "read" });
    for (const { permissions, steps } of Object.values(workflow.jobs)) {
      const writes = Object.entries(permissions ?? {}).filter(([, right]) => right === "write").map(([name]) => name);
      if (writes.length === 0) continue;
      // JSR takes its package from a checkout.
      if (writes.join() === "id-token" && steps?.at(-1)?.run === "deno publish --no-check") continue;
      assertEquals(
        steps?.filter(({ uses, run }) => /checkout/.test(uses ?? "") || /\bdeno\b|npm (ci|i)/.test(run ?? "")),
        [],
      );
    }
  }
});

Deno.test("all workflows use the same version of an action", () => {
  const versions = new Map<string, string>();
  const wrong = search(ACTION).filter(({ found: [, name, version] }) => {
    const first = versions.get(name!) ?? version!;
    versions.set(name!, first);
    return version !== first;
  });
  assertEquals(wrong.map(shown), []);
});

/** All mentions of a version in the files of the repository. */
function search(pattern: RegExp): Mention[] {
  return texts.flatMap(({ path, text }) =>
    [...text.matchAll(pattern)].map((found) => ({
      path,
      line: text.slice(0, found.index).split("\n").length,
      found,
    }))
  );
}

function shown({ path, line, found }: Mention): string {
  return `${path}:${line}: ${found[0]}`;
}

import { assertEquals, assertThrows } from "@std/assert";
import { NotesError, notesOf } from "../../dev/release_notes.ts";
import { billOf } from "../../dev/sbom.ts";

const CHANGELOG = "# Changes\n\nAll of them.\n\n## 1.1.0, 2026-12-01\n\n- New.\n\n### More\n\n- Newer.\n\n" +
  "## 1.0.0, not released yet\n\n- Old.\n\n## 0.9.0, 2026-01-01\n";

Deno.test("the notes of a release are its section of the change log", () => {
  assertEquals(notesOf("v1.1.0", "1.1.0", CHANGELOG), "- New.\n\n### More\n\n- Newer.");
});

Deno.test("there are no notes for a tag that is not the version, or for a section that is not dated, absent or empty", () => {
  for (
    const [tag, version, message] of [
      ["v1.1.0", "1.1.1", "the tag is v1.1.0, the version in deno.json 1.1.1"],
      ["v1.0.0", "1.0.0", 'expected "## 1.0.0, YYYY-MM-DD", found "## 1.0.0, not released yet"'],
      ["v1.2.0", "1.2.0", "CHANGELOG.md has no section for 1.2.0"],
      ["v0.9.0", "0.9.0", "CHANGELOG.md says nothing of 0.9.0"],
    ] as const
  ) assertThrows(() => notesOf(tag, version, CHANGELOG), NotesError, message);
});

Deno.test("the bill of materials has what the program imports and what that needs, and no package of the tests", () => {
  const npmPackage = (name: string, ...dependencies: string[]) => ({ name, version: "1.0.0", dependencies });
  const integrity = `sha512-${new Uint8Array(64).fill(0xab).toBase64()}`;
  const graph = {
    modules: [{ kind: "esm" }, ...["a/x.js", "a/y.js"].map(() => ({ kind: "npm", npmPackage: "a@1.0.0" }))],
    npmPackages: {
      "a@1.0.0": npmPackage("a", "@b/c@1.0.0"),
      "@b/c@1.0.0": npmPackage("@b/c", "a@1.0.0"),
      "of-tests@1.0.0": npmPackage("of-tests"),
    },
  };
  const lock = { npm: { "a@1.0.0": { integrity }, "@b/c@1.0.0": { integrity } } };
  const { components, dependencies } = billOf(graph, lock, "2.9.6") as Record<string, Record<string, unknown>[]>;
  const [deno, a, c] = ["pkg:github/denoland/deno@v2.9.6", "pkg:npm/a@1.0.0", "pkg:npm/%40b/c@1.0.0"] as const;
  assertEquals(components!.map(({ purl }) => purl), [deno, c, a]);
  assertEquals(components![1]!.hashes, [{ alg: "SHA-512", content: "ab".repeat(64) }]);
  assertEquals(dependencies, [
    { ref: "leader-node", dependsOn: [deno, a] },
    { ref: c, dependsOn: [a] },
    { ref: a, dependsOn: [c] },
  ]);
});

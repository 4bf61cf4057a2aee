import { assertEquals } from "@std/assert";
import { failedFiles } from "../dev/failed_files.ts";
import { Program } from "../dev/program.ts";

Deno.test("files with a failed test, a leak or an error of their own are found in what deno test prints", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.mkdir(`${folder}/tests`);
    const files = {
      "fails_test.ts": 'Deno.test("fails", () => { throw new Error(" => ./tests/well_test.ts:1:1"); });',
      "leaks_test.ts": 'Deno.test({ name: "leaks", sanitizeOps: true, fn: () => { setTimeout(() => {}, 100); } });',
      "throws_test.ts": 'throw new Error("module");',
      "well_test.ts": 'Deno.test("is well", () => {});',
    };
    for (const [name, text] of Object.entries(files)) await Deno.writeTextFile(`${folder}/tests/${name}`, text);
    const { stdout, code } = await Program.run(Deno.execPath(), ["test", "--quiet", "--no-config", "."], {
      cwd: folder,
    });
    assertEquals([code, failedFiles(stdout).sort()], [
      1,
      ["fails", "leaks", "throws"].map((name) => `tests/${name}_test.ts`),
    ]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("no file has failed if all tests passed", () => {
  assertEquals(failedFiles("ok | 3 passed | 0 failed (1s)\n"), []);
});

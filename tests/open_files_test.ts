import { assertEquals } from "@std/assert";
import { onPath } from "../dev/search_path.ts";
import { Program } from "./support/program.ts";

const MODULE = new URL("../http/open_files.ts", import.meta.url);

/** Opens all the files that it may, closes so many of them, and says whether files are left. */
const PROGRAM = `
import { filesAreLeft } from "${MODULE}";
const opened = [];
try {
  for (;;) opened.push(Deno.openSync("/"));
} catch {
  for (const file of opened.splice(0, Number(Deno.args[0]))) file.close();
}
console.log(filesAreLeft());
`;

Deno.test({
  name: "a few files that are left are not enough, also where there is no /dev/null (needs root)",
  ignore: Deno.build.os !== "linux" || Deno.uid() !== 0 || !onPath("unshare"),
  async fn() {
    const file = await Deno.makeTempFile({ suffix: ".ts" });
    try {
      await Deno.writeTextFile(file, PROGRAM);
      for (const without of ["mount -t tmpfs none /dev", ":"]) {
        for (const [left, enough] of [["0", "false"], ["5", "false"], ["30", "true"]] as const) {
          const shell = `${without} && ulimit -n 100 && exec "$0" run --quiet --no-check --no-config -A "$@"`;
          const args = ["-m", "sh", "-c", shell, Deno.execPath(), file, left];
          const { stdout, stderr } = await Program.run("unshare", args);
          assertEquals(stdout, `${enough}\n`, `${without}, ${left}: ${stderr}`);
        }
      }
    } finally {
      await Deno.remove(file);
    }
  },
});

import { assertEquals } from "@std/assert";
import { executableNames } from "../../dev/compile.ts";

Deno.test("an executable for Windows ends with .exe, wherever it is made", () => {
  const windows = { file: "a b/node.exe", fresh: "a b/node.new.exe" };
  assertEquals(executableNames("a b/node", undefined, "windows"), windows);
  assertEquals(executableNames("a b/node.exe", undefined, "windows"), windows);
  assertEquals(executableNames("a b/node.exe", "x86_64-pc-windows-msvc", "linux"), windows);
  for (const os of ["linux", "darwin"] as const) {
    assertEquals(executableNames("node-0.1.0", undefined, os), { file: "node-0.1.0", fresh: "node-0.1.0.new" });
  }
  assertEquals(executableNames("node", "aarch64-apple-darwin", "windows"), { file: "node", fresh: "node.new" });
});

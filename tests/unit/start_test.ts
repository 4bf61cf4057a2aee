import { assertEquals } from "@std/assert";
import { fileURLToPath } from "node:url";
import { Program } from "../support/program.ts";

const ROOT = new URL("../../", import.meta.url);

Deno.test("the modules of a node by gateway do not load Node.js's process, which takes longer than all else", async () => {
  // Deno loads it when somebody reads the global.
  const program = `
    Object.defineProperty(globalThis, "process", { get() { throw new Error("process was read"); } });
    await import("./main.ts");
    await import("./cli/node.ts");
    await import("./election/etcd/gateway/client.ts");`;
  const { code, stderr } = await Program.run(Deno.execPath(), ["eval", "--quiet", program], {
    cwd: fileURLToPath(ROOT),
  });
  assertEquals([code, stderr], [0, ""]);
});

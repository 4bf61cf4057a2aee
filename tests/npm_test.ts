import { assertEquals } from "@std/assert";
import denoJson from "../deno.json" with { type: "json" };
import { LocalEtcd } from "../dev/local_etcd.ts";
import { OddFolder } from "./support/odd_folder.ts";
import { hasProgram, Program } from "./support/program.ts";

/** A program of somebody who has Node.js: two candidates take turns, over a connection that is lost once. */
const PROGRAM = `
import { Connection, Election, InvalidOptionError, observe } from "leader-node";

const connection = new Connection({ endpoints: [process.argv[2]] });
const leads = async (election) => {
  for await (const state of election) if (state.role === "leader") return state.term;
};
const a = new Election({ name: "jobs", connection, candidate: { id: "a" } });
const first = await leads(a);
const b = new Election({ name: "jobs", endpoints: [process.argv[2]], transport: "gateway", candidate: { id: "b" } });
for await (const { leader } of b) if (leader?.id === "a") break;
console.log("a leads");
for await (const line of process.stdin) break; // etcd was killed and started again.
await a.stop();
const second = await leads(b);
console.log("b leads", second.token > first.token, first.signal.aborted);
const looks = observe({ name: "jobs", endpoints: [process.argv[2]] });
for await (const { leader } of looks) if (leader?.id === "b") break;
try {
  new Election({ name: "" });
} catch (error) {
  console.log(error instanceof InvalidOptionError);
}
await looks.stop();
await b.stop();
await connection.close();
process.stdin.destroy();
`;

Deno.test({
  name: "the npm package elects under Node.js, and its types are whole (needs node and npm)",
  ignore: !hasProgram("node") || !hasProgram("npm"),
  fn: async () => {
    await using etcd = await LocalEtcd.start();
    await using repository = await OddFolder.withRepository();
    const folder = await Deno.makeTempDir({ prefix: "leader-node-npm-" });
    const run = async (name: string, ...args: string[]) => {
      const { code, stdout, stderr } = await Program.run(name, args, { cwd: folder });
      assertEquals(code, 0, stdout + stderr);
    };
    await run(Deno.execPath(), "run", "-A", "--quiet", `${repository.path}dev/npm.ts`, `${folder}/package`);
    await run("npm", "pack", "./package");
    await Deno.writeTextFile(`${folder}/program.mjs`, PROGRAM);
    await Deno.writeTextFile(`${folder}/package.json`, JSON.stringify({ private: true }));
    await run("npm", "install", "--no-audit", "--no-fund", `./leader-node-${denoJson.version}.tgz`, "typescript@5.9.3");

    const node = Program.start("node", ["program.mjs", etcd.endpoint], { cwd: folder, stdin: "piped" });
    await using _ = node;
    await node.until("a to lead", () => Promise.resolve(node.output.includes("a leads")));
    await etcd.stop("SIGKILL");
    await etcd.start();
    await node.write("go on\n");
    assertEquals((await node.status).code, 0, node.output);
    await node.stop();
    assertEquals(node.output, "a leads\nb leads true true\ntrue\n");

    await Deno.writeTextFile(
      `${folder}/types.mts`,
      `import { Election } from "leader-node";\nconst wrong: number = new Election({ name: "a" });\n`,
    );
    const types = await Program.run("npx", [
      "tsc",
      "--noEmit",
      "--module",
      "nodenext",
      "--lib",
      "es2023,dom,esnext.disposable",
      "types.mts",
    ], { cwd: folder });
    assertEquals(
      types.stdout.trim(),
      "types.mts(2,7): error TS2322: Type 'Election' is not assignable to type 'number'.",
    );
    await Deno.remove(folder, { recursive: true });
  },
});

/** What a process lacks from its start, no wait gives it. */
import { assertEquals, assertMatch } from "@std/assert";
import { LocalEtcd } from "../dev/local_etcd.ts";
import { Program } from "./support/program.ts";

const PROGRAM = `
import { Election, findLeader, lead, SetupError, whileLeader, withLock } from "${new URL(
  "../election/mod.ts",
  import.meta.url,
)}";

const [transport] = Deno.args;
const options = { endpoints: ["http://127.0.0.1:1"], transport };
const election = { name: "jobs", ...options };
const calls = {
  whileLeader: () => whileLeader(election, () => {}),
  lead: () => lead(election, { onStarted() {} }),
  withLock: () => withLock("jobs", () => {}, options),
  findLeader: () => findLeader(election),
  async ready() {
    await using candidate = new Election(election);
    for (let time = 0; time < 2; time++) await candidate.ready().catch(tell("ready"));
  },
};
const tell = (call) => (error) => console.log(call, error instanceof SetupError, error.message);
await Promise.all(Object.entries(calls).map(([call, run]) => run().catch(tell(call))));
`;

Deno.test("each call rejects for want of a permission, and names the flag that gives it", async () => {
  const cases: [transport: string, given: string[], wanted: string][] = [
    ["grpc", ["--allow-env=GRPC_*"], "net"],
    ["gateway", [], "net"],
    ["grpc", ["--allow-net"], "env"],
  ];
  const file = await Deno.makeTempFile({ suffix: ".ts", dir: new URL(".", import.meta.url).pathname });
  try {
    await Deno.writeTextFile(file, PROGRAM);
    for (const [transport, given, wanted] of cases) {
      const args = ["20", Deno.execPath(), "run", "--quiet", "--no-check", "--no-prompt", ...given, file, transport];
      const { stdout, stderr } = await Program.run("timeout", args);
      const lines = stdout.trim().split("\n").sort();
      const calls = lines.map((line) => line.split(" ").slice(0, 2).join(" "));
      const all = ["findLeader", "lead", "ready", "ready", "whileLeader", "withLock"].map((call) => `${call} true`);
      assertEquals(calls, all, stdout + stderr);
      for (const line of lines) assertMatch(line, new RegExp(`Requires ${wanted} access.*--allow-${wanted} flag$`));
    }
  } finally {
    await Deno.remove(file);
  }
});

Deno.test("an endpoint that may not be asked is not the end where another one may be", async () => {
  await using etcd = await LocalEtcd.start();
  const endpoints = [etcd.endpoint.replace("127.0.0.1", "127.0.0.2"), etcd.endpoint];
  const program = `
import { whileLeader } from "${new URL("../election/mod.ts", import.meta.url)}";
const election = { name: "jobs", endpoints: ${JSON.stringify(endpoints)}, transport: Deno.args[0] };
console.log(await whileLeader(election, () => "led"));
`;
  const file = await Deno.makeTempFile({ suffix: ".ts", dir: new URL(".", import.meta.url).pathname });
  try {
    await Deno.writeTextFile(file, program);
    const given = ["--allow-net=127.0.0.1", "--allow-env=GRPC_*"];
    for (const transport of ["grpc", "gateway"]) {
      const args = ["20", Deno.execPath(), "run", "--quiet", "--no-check", "--no-prompt", ...given, file, transport];
      const { stdout, stderr } = await Program.run("timeout", args);
      assertEquals(stdout, "led\n", stderr);
    }
  } finally {
    await Deno.remove(file);
  }
});

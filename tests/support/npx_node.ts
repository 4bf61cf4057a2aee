import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { LocalEtcd } from "../../dev/local_etcd.ts";
import { TestNode, threeNodes } from "./node.ts";
import { Program } from "./program.ts";
import { lives } from "./tree.ts";

/** The steps of a test of the program in an npm package that is installed in this folder. */
export async function testProgram(t: Deno.TestContext, etcd: LocalEtcd, folder: string): Promise<void> {
  const bin = `${folder}/node_modules/.bin/leader-node`;
  const options = { program: [bin] };
  const run = (...args: string[]) => Program.run(bin, args, { cwd: folder });
  const at = (election: string) => ["--endpoints", etcd.endpoint, "--election", election];

  await t.step("the program by Node.js: three nodes, of which one leads; the next one when it is killed", async () => {
    const election = at("killed");
    const [a, b, c] = await threeNodes(etcd, [...election, "--ttl", "2"], options);
    await using _a = a;
    await using _b = b;
    await using _c = c;
    assertEquals(await a.curl(), "I am the leader\n");
    assertEquals(await c.curl(), `I am a follower and the leader is on port ${a.port}\n`);
    const [status, doctor] = await Promise.all(["status", "doctor"].map((subcommand) => run(subcommand, ...election)));
    assertEquals([status!.code, status!.stdout.split(" with ")[0]], [0, "a leads killed"], status!.stderr);
    assertEquals([doctor!.code, doctor!.stdout.includes("\n0 failures")], [0, true], doctor!.stdout + doctor!.stderr);
    a.kill("SIGKILL");
    await b.logs("leading");
    assertEquals(await b.curl(), "I am the leader\n");
    assertStringIncludes((await b.get("/metrics")).body, `leader_node_build_info{version="0.1.0",node="`);
    const from = c.log.length;
    assertEquals(await b.stop(), 0);
    await c.logs("leading", { from });
    assertEquals(await c.stop(), 0);
  });

  await t.step({
    name: "the program by Node.js: a command and its children end before the next one begins",
    ignore: Deno.build.os !== "linux",
    fn: async () => {
      const script = `(setsid sleep 1000 & echo "pid $!" >&2; wait) & wait`;
      const flags = [...at("command"), "--ttl", "60", "--", "sh", "-c", script];
      const child = async (node: TestNode) => {
        const pid = () => node.log.find((line) => typeof line === "string" && line.startsWith("pid "));
        while (!pid()) await node.get("/livez");
        return Number(String(pid()).slice(4));
      };
      await using a = await TestNode.start(etcd, flags, options);
      const first = await child(a);
      const grouped = (await Deno.readTextFile(`/proc/${first}/cgroup`)).includes("/leader-node-");
      const warned = a.log.some((line) => typeof line !== "string" && line.event === "orphans-not-adopted");
      assertEquals(warned, !grouped);
      // Not by a shell, which may leave such a name out.
      const show = ["node", "-e", "console.error(`my.setting=${process.env['my.setting']}`)"];
      const set = { ...options, env: { "my.setting": "arrives" } };
      await using dotted = await TestNode.start(etcd, [...at("dotted"), "--", ...show], set);
      await dotted.logs("command-ended");
      assert(dotted.log.includes("my.setting=arrives"));
      await using b = await TestNode.start(etcd, flags, options);
      await b.logs("following");
      // The watchdog ends it, and gives the lease back.
      a.kill("SIGKILL");
      const second = await child(b);
      assertEquals([lives(first), lives(second)], [false, true]);
      assertEquals(await b.stop(), 0);
      assertEquals(lives(second), false);
    },
  });

  await t.step("the program by Node.js: one line and an exit code for what cannot be", async () => {
    const taken = new URL(etcd.endpoint).port;
    await Deno.writeTextFile(`${folder}/ca.pem`, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    const overGateway = ["--transport", "gateway", "--endpoints", "https://localhost:1", "--cacert", "ca.pem"];
    for (
      const [code, message, ...args] of [
        [2, 'unknown flag "--prot"; did you mean --port?', "--prot", "1"],
        [2, "TLS flags require --transport grpc; with gateway, they work on Deno only", ...overGateway],
        [127, "command not found: no-such-program", "--", "no-such-program"],
        [1, "the port is in use; choose another with --port, or a free one with --port 0", "--port", taken],
      ] as const
    ) {
      const { code: actual, stderr } = await run(...args);
      assertEquals([actual, stderr.endsWith(`${message}\n`), stderr.split("\n").length], [code, true, 2], stderr);
    }
  });
}

import { assert, assertEquals, assertGreater, assertMatch } from "@std/assert";
import { parse } from "@std/yaml";
import { fileURLToPath } from "node:url";
import { LocalEtcd } from "../dev/local_etcd.ts";
import { TestNode, threeNodes } from "./support/node.ts";
import { freePort, hasProgram, Program } from "./support/program.ts";
import { unixTest as test } from "./support/systems.ts";

const EXAMPLES = fileURLToPath(new URL("../examples/", import.meta.url));
const APP = fileURLToPath(new URL("./support/app.ts", import.meta.url));

/** Three nodes, each of which would run a server on the port beside it. */
async function nodesWithApps(etcd: LocalEtcd): Promise<{ nodes: TestNode[]; apps: number[] }> {
  const nodes: TestNode[] = [];
  const apps = [freePort(), freePort(), freePort()];
  for (const [index, port] of apps.entries()) {
    const app = [Deno.execPath(), "run", "-A", "--quiet", APP, String(port)];
    const node = await TestNode.start(etcd, ["--id", "abc"[index]!, "--", ...app]);
    await node.logs("queued");
    nodes.push(node);
  }
  return { nodes, apps };
}

/** A copy of an example with other ports, and the port that it serves on. */
async function withPorts(
  example: string,
  file: string,
  nodes: readonly TestNode[],
  apps: readonly number[],
): Promise<{ folder: string; port: number }> {
  const folder = await Deno.makeTempDir({ prefix: "leader-node-example-" });
  const port = freePort();
  const text = (await Deno.readTextFile(`${EXAMPLES}${example}/${file}`))
    .replace(/\b908([0-2])\b/g, (_, index) => String(apps[index]))
    .replace(/\b808([0-2])\b/g, (_, index) => String(nodes[index]?.port))
    .replace(/\b8000\b/, String(port));
  await Deno.writeTextFile(`${folder}/${file}`, text);
  return { folder, port };
}

/** Asks without a pause while `moves` moves the lead; every answer must be that of a leader no older than the last. */
async function askThroughHandoffs(
  proxy: Program,
  port: number,
  moves: (says: (id: string) => Promise<void>) => Promise<void>,
): Promise<void> {
  const answers: { id: string; token: number }[] = [];
  let going = true;
  const asking = (async () => {
    while (going) {
      const response = await fetch(`http://127.0.0.1:${port}/`).catch(() => undefined);
      if (response?.ok) answers.push(await response.json());
      else await response?.body?.cancel();
    }
  })();
  await moves((id) => proxy.until(`an answer of ${id}`, () => Promise.resolve(answers.at(-1)?.id === id)));
  going = false;
  await asking;
  for (const [index, { token }] of answers.entries()) {
    assert(index === 0 || token >= answers[index - 1]!.token, "a former leader answered");
  }
  assertGreater(answers.length, 10);
}

const PROXIES: readonly [program: string, file: string, args: string[]][] = [
  ["haproxy", "haproxy.cfg", ["-f", "haproxy.cfg"]],
  ["nginx", "nginx.conf", ["-p", ".", "-c", "nginx.conf"]],
];

for (const [program, file, args] of PROXIES) {
  Deno.test({
    name: `${program} sends requests to the leader's program only (needs ${program})`,
    ignore: !hasProgram(program),
    fn: async () => {
      await using etcd = await LocalEtcd.start();
      const { nodes, apps } = await nodesWithApps(etcd);
      const [a, b, c] = nodes as [TestNode, TestNode, TestNode];
      await using _b = b;
      await using _c = c;
      const { folder, port } = await withPorts(program, file, nodes, apps);
      await using proxy = Program.start(program, args, { cwd: folder });
      await askThroughHandoffs(proxy, port, async (says) => {
        await says("a");
        const began = performance.now();
        await a.stop();
        await says("b");
        const stopped = performance.now();
        b.kill("SIGKILL");
        await says("c");
        const [handoff, crash] = [stopped - began, performance.now() - stopped].map((ms) => ms.toFixed(0));
        console.log(`${program}: next leader's answer ${handoff} ms after SIGTERM, ${crash} ms after SIGKILL`);
      });
      await proxy.stop();
      await Deno.remove(folder, { recursive: true });
    },
  });
}

test("gate.sh runs a program where the node leads, and ends it when the lead goes", async () => {
  await using etcd = await LocalEtcd.start();
  await using a = await TestNode.start(etcd, ["--id", "a"]);
  await a.logs("leading");
  await using b = await TestNode.start(etcd, ["--id", "b"]);
  await b.logs("following");
  const gate = (node: TestNode) =>
    Program.start(`${EXAMPLES}shell/gate.sh`, ["sh", "-c", "echo begin; exec sleep 1000"], {
      env: { LEADER_NODE: `http://127.0.0.1:${node.port}`, GRACE: "1" },
    });
  await using atA = gate(a);
  await using atB = gate(b);
  const begun = (gate: Program) => () => Promise.resolve(gate.output.includes("begin"));
  await atA.until("the program to begin at a", begun(atA));
  assertEquals(atB.output, "");
  const [program] = await children(atA.pid, "sleep 1000");
  await a.stop();
  await atB.until("the program to begin at b", begun(atB));
  assertEquals(await children(atA.pid, "sleep 1000"), [], `${program} goes on`);
  await atA.stop();
  await atB.stop();
  assertEquals((await atB.status).code, 0);
});

/** The processes that another one has started with this command. */
async function children(pid: number, command: string): Promise<string[]> {
  const { stdout } = await Program.run("ps", ["-o", "pid=,args=", "--ppid", String(pid)]);
  return stdout.split("\n").filter((line) => line.trim().endsWith(` ${command}`));
}

test("the crontab's job runs on the leader's machine only", async () => {
  await using etcd = await LocalEtcd.start();
  const [a, b, c] = await threeNodes(etcd);
  await using _a = a;
  await using _b = b;
  await using _c = c;
  const crontab = await Deno.readTextFile(`${EXAMPLES}cron/crontab`);
  const line = crontab.split("\n").find((line) => /^\d/.test(line))!.split(/\s+/).slice(5).join(" ");
  const run = async (node: TestNode) => {
    const job = line.replace("localhost:8080", `127.0.0.1:${node.port}`).replace(/\S+nightly-job/, "echo ran");
    return (await Program.run("sh", ["-c", job])).stdout;
  };
  assertEquals(await Promise.all([a, b, c].map(run)), ["ran\n", "", ""]);
});

Deno.test({
  name: "the systemd unit is one (needs systemd-analyze)",
  ignore: !hasProgram("systemd-analyze"),
  fn: async () => {
    const folder = await Deno.makeTempDir({ prefix: "leader-node-unit-" });
    const unit = await Deno.readTextFile(`${EXAMPLES}systemd/leader-node.service`);
    // systemd-analyze looks for the programs.
    await Deno.writeTextFile(
      `${folder}/leader-node.service`,
      unit.replace(/\/usr\/local\/bin\/leader-node/, "/bin/true"),
    );
    const { code, stderr } = await Program.run("systemd-analyze", ["verify", `${folder}/leader-node.service`]);
    assertEquals([code, stderr], [0, ""]);
    await Deno.remove(folder, { recursive: true });
    assertMatch(unit, /^ExecStart=\/usr\/local\/bin\/leader-node .* -- /m);
  },
});

interface Container {
  name: string;
  args: string[];
  env: { name: string }[];
  command: string[];
  livenessProbe: { httpGet: { path: string } };
  readinessProbe: { httpGet: { path: string } };
}

test("the Deployment's flags, variables and probes are those of a node, and its gate is the one beside it", async () => {
  const deployment = parse(await Deno.readTextFile(`${EXAMPLES}kubernetes/deployment.yaml`)) as {
    spec: { template: { spec: { containers: [Container, Container] } } };
  };
  const [node, main] = deployment.spec.template.spec.containers;
  await using etcd = await LocalEtcd.start();
  const env = Object.fromEntries(
    node.env.filter(({ name }) => name.startsWith("LEADER_NODE")).map(({ name }) => [name, ""]),
  );
  assertEquals(Object.keys(env), ["LEADER_NODE_ID", "LEADER_NODE_ADVERTISE_URL", "LEADER_NODE_ENDPOINTS"]);
  await using running = await TestNode.start(etcd, node.args);
  await running.logs("leading");
  for (const { httpGet } of [node.livenessProbe, node.readinessProbe]) {
    assertEquals((await running.get(httpGet.path)).status, 200);
  }
  assertEquals(main.command[0], "/gate/gate.sh");
});

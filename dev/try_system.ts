/**
 * `deno run -A dev/try_system.ts [--source]`: does what this program is for, on the system that it runs on. Makes the
 * executable; a node of it, with a watchdog, leads in an etcd, runs a command and ends with the command's exit code;
 * the demo has a leader and ends. Exits with 1 at the first that is wrong. With `--source`, `main.ts` is run instead of
 * the executable, for which Deno fetches its runtime.
 */
import { fileURLToPath } from "node:url";
import { makeExecutable } from "./compile.ts";
import { demo } from "./demo.ts";
import { environmentWithout } from "./environment.ts";
import { freePort, LocalEtcd } from "./local_etcd.ts";
import { Program } from "./program.ts";

/** The exit code of the command, which is the node's then. */
const CODE = 7;
/** The command asks its node who leads. */
const COMMAND = `
const answer = await fetch(new URL("/", Deno.env.get("LEADER_NODE_URL")));
console.log("the command:", (await answer.text()).trim(), "with token", Deno.env.get("LEADER_NODE_TOKEN"));
Deno.exit(${CODE});
`;

const SOURCE = [Deno.execPath(), "run", "-A", "--quiet", fileURLToPath(new URL("../main.ts", import.meta.url))];

async function tryVersion([program, ...args]: readonly string[]): Promise<void> {
  const { code, stdout, stderr } = await Program.run(program!, [...args, "--version"]);
  expect(code === 0, `--version: exit code ${code}: ${stderr}`);
  console.log(stdout.split("\n")[0]!.trim());
}

async function tryNode([program, ...args]: readonly string[], folder: string): Promise<void> {
  await using etcd = await LocalEtcd.start();
  await Deno.writeTextFile(`${folder}/command.js`, COMMAND);
  const flags = ["--hostname", "127.0.0.1", "--port", String(freePort()), "--endpoints", etcd.endpoint];
  const command = [Deno.execPath(), "run", "-A", "--quiet", `${folder}/command.js`];
  const { code, stdout, stderr } = await Program.run(program!, [...args, ...flags, "--", ...command], {
    clearEnv: true,
    // The command asks a node of this machine, which is none of a proxy's business.
    env: { ...environmentWithout(/^(LEADER_NODE|ETCDCTL)_|^DENO_SERVE_ADDRESS$/), NO_PROXY: "127.0.0.1" },
  });
  console.log(stdout.trim());
  expect(code === CODE && stdout.includes("I am the leader"), `a node: exit code ${code}, ${stdout}${stderr}`);
}

async function tryDemo(): Promise<void> {
  const { promise: stop, resolve: onLeader } = Promise.withResolvers<void>();
  const code = await demo([String(threePorts())], { stop, onLeader });
  expect(code === 0, `the demo: exit code ${code}`);
}

/** The first of three free ports in a row. */
function threePorts(): number {
  const [first, , last] = [freePort(), freePort(), freePort()];
  return last === first + 2 ? first : threePorts();
}

function expect(isSo: boolean, otherwise: string): asserts isSo {
  if (isSo) return;
  console.error(otherwise);
  Deno.exit(1);
}

const fromSource = Deno.args.includes("--source");
const folder = await Deno.makeTempDir({ prefix: "leader-node try " });
try {
  const program = fromSource ? SOURCE : [await makeExecutable(`${folder}/leader-node`, {})];
  await tryVersion(program);
  await tryNode(program, folder);
  await tryDemo();
  console.log(
    `${Deno.build.os} ${Deno.build.arch}: ${
      fromSource ? "" : "the executable, "
    }a node with a command, and the demo work`,
  );
} finally {
  await Deno.remove(folder, { recursive: true });
}

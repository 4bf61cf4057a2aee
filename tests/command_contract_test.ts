import { assertEquals, assertStringIncludes } from "@std/assert";
import { fileURLToPath } from "node:url";
import { LocalEtcd } from "../dev/local_etcd.ts";
import { Program } from "./support/program.ts";
import { unixTest as test } from "./support/systems.ts";

const MAIN = fileURLToPath(new URL("../main.ts", import.meta.url));
const ROOT = Deno.build.os === "linux" && Deno.uid() === 0;

/** What a node with this command prints, and its exit code; `shell` starts the node, by "$@". */
async function run(etcd: LocalEtcd, command: string[], shell = 'exec "$@"', env: Record<string, string> = {}) {
  const node = [Deno.execPath(), "run", "-A", "--quiet", MAIN, "--port", "0", "--endpoints", etcd.endpoint];
  return await Program.run("/bin/sh", ["-c", shell, "sh", ...node, "--", ...command], { env });
}

test("a command's environment is the node's without secrets, whatever is in it", async () => {
  await using etcd = await LocalEtcd.start();
  for (const flag of ["", "LEADER_NODE_WATCHDOG=false; export LEADER_NODE_WATCHDOG;"]) {
    const shell = `${flag} BAD=$(printf 'x\\377y'); export BAD; exec "$@"`;
    const secret = { ETCDCTL_USER: "me", ETCDCTL_PASSWORD: "top-secret", LEADER_NODE_CONTROL_TOKEN: "top-secret" };
    const { stdout } = await run(etcd, ["sh", "-c", "env; printenv BAD | od -An -tx1"], shell, {
      ...secret,
      KEPT: "1",
    });
    assertStringIncludes(stdout, "KEPT=1\n");
    assertStringIncludes(stdout, " 78 ff 79 0a\n");
    assertEquals(/top-secret|ETCDCTL_/.exec(stdout), null, stdout);
  }
});

test("a PATH that is empty or missing stays so", async () => {
  await using etcd = await LocalEtcd.start();
  const command = ["/bin/sh", "-c", 'echo "[${PATH-none}] $1"', "sh", "an argument"];
  assertEquals((await run(etcd, command, 'PATH=; exec "$@"')).stdout, "[] an argument\n");
  // A shell has a PATH without being given one; env has not.
  const { stdout } = await run(etcd, ["/usr/bin/env"], 'unset PATH; exec "$@"');
  assertEquals(/^PATH=.*$/m.exec(stdout), null);
});

test("the command's standard streams are the node's", async () => {
  await using etcd = await LocalEtcd.start();
  const shell = 'echo "from stdin" | "$@"';
  const { stdout, stderr } = await run(etcd, ["sh", "-c", 'read line; echo "got $line"; echo err >&2'], shell);
  assertEquals(stdout, "got from stdin\n");
  assertStringIncludes(stderr, "\nerr\n");
});

test("a command that cannot be started: it is said which of the reasons it is", async () => {
  await using etcd = await LocalEtcd.start();
  const folder = await Deno.makeTempDir();
  await Deno.writeTextFile(`${folder}/script`, "#!/no/such/interpreter -x\n", { mode: 0o755 });
  const script = await run(etcd, [`${folder}/script`]);
  const reason = `${folder}/script asks for /no/such/interpreter, which is not there`;
  assertEquals([script.code, script.stderr], [127, `leader-node: command cannot be started: ${reason}\n`]);

  await Deno.mkdir(`${folder}/gone`);
  for (const flag of ["--watchdog", "--no-watchdog"]) {
    await Deno.mkdir(`${folder}/gone`, { recursive: true });
    const flags = ["--port", "0", "--endpoints", etcd.endpoint, "--on-exit", "restart", flag];
    await using node = Program.start(
      Deno.execPath(),
      ["run", "-A", "--quiet", MAIN, ...flags, "--", "rmdir", `${folder}/gone`],
      { cwd: `${folder}/gone` },
    );
    const message = 'command-failed message="command cannot be started: the working folder was deleted"';
    await node.until(message, () => Promise.resolve(node.output.includes(message)));
    await node.stop();
  }
  await Deno.remove(folder, { recursive: true });
});

Deno.test({
  name: "a program that would make the command another user's is refused",
  ignore: !ROOT,
  async fn() {
    const { checkProgram } = await import("../supervise/program.ts");
    checkProgram("su");
    // Whether it is refused depends on who asks: so ask as another user.
    const code = `import { checkProgram } from "${new URL("../supervise/program.ts", import.meta.url)}";` +
      `try { checkProgram("su"); } catch (error) { console.log(error.exitCode, error.message); }`;
    const folder = await Deno.makeTempDir();
    await Deno.chmod(folder, 0o755);
    for (const name of ["program.ts", "platform.ts", "processes.ts"]) {
      await Deno.copyFile(new URL(`../supervise/${name}`, import.meta.url), `${folder}/${name}`);
    }
    await Deno.copyFile(Deno.execPath(), `${folder}/deno`);
    await Deno.writeTextFile(`${folder}/main.ts`, code.replace(/from ".*?"/, 'from "./program.ts"'));
    const args = [
      "--reuid=65534",
      "--regid=65534",
      "--clear-groups",
      "env",
      `DENO_DIR=/nonexistent`,
      `HOME=/nonexistent`,
    ];
    const { stdout } = await Program.run("setpriv", [
      ...args,
      ...[`${folder}/deno`, "run", "-A", "--no-config", "--no-check", "--quiet", `${folder}/main.ts`],
    ]);
    assertStringIncludes(stdout, "126 su would run the command as another user, whom this one cannot end");
    await Deno.remove(folder, { recursive: true });
  },
});

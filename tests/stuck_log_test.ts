import { assert, assertEquals, assertMatch } from "@std/assert";
import { fileURLToPath } from "node:url";
import { LocalEtcd } from "../dev/local_etcd.ts";
import { freePort } from "../dev/local_etcd.ts";
import { Beats } from "./support/beats.ts";
import { takesOver } from "./support/command_pair.ts";
import { TestNode } from "./support/node.ts";
import { within } from "./support/until.ts";
import { shellWord } from "./support/shell_word.ts";
import { unixTest as test } from "./support/systems.ts";

const MAIN = fileURLToPath(new URL("../main.ts", import.meta.url));

/** A node whose stderr is a pipe that nobody reads, and which is full from the start. */
class MuteNode implements AsyncDisposable {
  readonly port = freePort();
  readonly #process: Deno.ChildProcess;
  readonly #folder: string;
  readonly #pipe: Deno.FsFile;

  constructor(folder: string, etcd: LocalEtcd, flags: readonly string[]) {
    this.#folder = folder;
    // Open for both ends, so that neither waits for the other.
    this.#pipe = Deno.openSync(`${folder}/stderr`, { read: true, write: true });
    const common = ["--port", `${this.port}`, "--hostname", "127.0.0.1", "--endpoints", etcd.endpoint];
    const fill = 'dd if=/dev/zero bs=4k count=16 >&2 2>/dev/null; exec "$0" run -A --quiet "$@"';
    this.#process = new Deno.Command("sh", {
      args: ["-c", `exec 2>${shellWord(folder)}/stderr; ${fill}`, Deno.execPath(), MAIN, ...common, ...flags],
      stdin: "null",
      stdout: "null",
      stderr: "null",
      detached: true,
    }).spawn();
  }

  static async start(etcd: LocalEtcd, flags: readonly string[]): Promise<MuteNode> {
    const folder = await Deno.makeTempDir();
    assert((await new Deno.Command("mkfifo", { args: [`${folder}/stderr`] }).output()).success);
    return new MuteNode(folder, etcd, flags);
  }

  get pid(): number {
    return this.#process.pid;
  }

  get exited(): Promise<Deno.CommandStatus> {
    return this.#process.status;
  }

  async get(path: string): Promise<string> {
    const client = Deno.createHttpClient({ poolMaxIdlePerHost: 0 });
    try {
      for (;;) {
        const response = await fetch(`http://127.0.0.1:${this.port}${path}`, { client }).catch(() => undefined);
        if (response) return await response.text();
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    } finally {
      client.close();
    }
  }

  kill(signal: Deno.Signal): void {
    this.#process.kill(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await this.#process.status;
    this.#pipe.close();
    await Deno.remove(this.#folder, { recursive: true });
  }
}

/** A leader whose log nobody reads, and a node that waits; both with a command that ignores SIGTERM. */
async function pair(etcd: LocalEtcd, beats: Beats, flags: string[] = []): Promise<[MuteNode, TestNode]> {
  const all = ["--ttl", "2", "--log-level", "debug", ...flags, "--", ...beats.command("trap '' TERM")];
  const leader = await MuteNode.start(etcd, all);
  await within(10_000, "the first beat", beats.begins());
  const other = await TestNode.start(etcd, all);
  await other.logs("following");
  return [leader, other];
}

const FAULTS: Record<string, (leader: MuteNode, etcd: LocalEtcd) => Promise<unknown> | void> = {
  "SIGTERM": (leader) => leader.kill("SIGTERM"),
  "SIGKILL": (leader) => leader.kill("SIGKILL"),
  "SIGSTOP": (leader) => leader.kill("SIGSTOP"),
  "a deleted key": async (leader, etcd) => {
    const { lease } = JSON.parse(await leader.get("/status"));
    await etcd.ctl("del", `leader-node/${lease.id}`);
  },
};

for (const [name, fault] of Object.entries(FAULTS)) {
  test(`a leader whose log nobody reads, and ${name}: its command ends, and the next one begins`, async () => {
    await using etcd = await LocalEtcd.start();
    await using beats = await Beats.create();
    const [leader, other] = await pair(etcd, beats);
    await using _leader = leader;
    await using _other = other;
    await fault(leader, etcd);
    await takesOver(other, beats, name === "a deleted key");
    if (name === "SIGTERM") assertEquals((await within(5000, "the node to end", leader.exited)).code, 0);
  });
}

test("a log that nobody reads is seen in metrics and in readyz, and the node is ready all the same", async () => {
  await using etcd = await LocalEtcd.start();
  await using node = await MuteNode.start(etcd, []);
  const verbose = async () => {
    for (;;) {
      const body = await node.get("/readyz?verbose");
      if (body.includes("[!]")) return body;
    }
  };
  assertMatch(await within(10_000, "a warning", verbose()), /^\[!\] the log has not been written for \d+ s; .*: 0$/m);
  const metrics = await node.get("/metrics");
  assertMatch(metrics, /^leader_node_log_stuck_seconds\{.*\} [1-9]/m);
  assertMatch(metrics, /^leader_node_log_lines_dropped_total\{.*\} 0$/m);
  while (await node.get("/readyz") !== "ok\n");
  node.kill("SIGTERM");
  assertEquals((await within(5000, "the node to end", node.exited)).code, 0);
});

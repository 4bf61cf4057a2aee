import { freePort, type LocalEtcd } from "../dev/local_etcd.ts";
import { residentMb } from "../dev/usage.ts";

/** A server that runs, and is asked all the time. */
export class Running {
  readonly #process: Deno.ChildProcess;
  readonly #url: string;

  private constructor(command: string, args: string[], port: number) {
    this.#url = `http://127.0.0.1:${port}/`;
    const streams = { stdin: "null", stdout: "null", stderr: "null" } as const;
    this.#process = new Deno.Command(command, { args, ...streams }).spawn();
  }

  /** Starts a node. */
  static start(executable: string, etcd: LocalEtcd, flags: readonly string[]): Running {
    const port = freePort();
    const own = ["--port", String(port), "--hostname", "127.0.0.1", "--endpoints", etcd.endpoint];
    return new Running(executable, [...own, ...flags], port);
  }

  /** Starts a server that does nothing but answer. */
  static bare(folder: string): Running {
    const port = freePort();
    const file = `${folder}/bare.js`;
    Deno.writeTextFileSync(file, `Deno.serve({ port: ${port}, onListen() {} }, () => new Response("bare\\n"));`);
    return new Running(Deno.execPath(), ["run", "-A", "--quiet", "--no-config", file], port);
  }

  /** The first of some nodes that says that it leads. */
  static async leaderOf(nodes: readonly Running[]): Promise<Running> {
    const over = new AbortController();
    const leader = await Promise.any(nodes.map(async (node) => {
      await node.answers((text) => text === "I am the leader\n", over.signal);
      return node;
    }));
    over.abort();
    return leader;
  }

  get ended(): Promise<Deno.CommandStatus> {
    return this.#process.status;
  }

  kill(signal: Deno.Signal): void {
    this.#process.kill(signal);
  }

  async stop(): Promise<void> {
    this.kill("SIGTERM");
    await this.ended;
  }

  /** Asks every millisecond until the answer is as wanted. */
  async answers(wanted: (text: string) => boolean, signal?: AbortSignal): Promise<void> {
    while (!signal?.aborted) {
      const response = await fetch(this.#url).catch(() => undefined);
      if (response && wanted(await response.text())) return;
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    throw new Error("nobody waits any more");
  }

  /** Its resident memory. */
  residentMb(): number {
    return residentMb(this.#process.pid);
  }
}

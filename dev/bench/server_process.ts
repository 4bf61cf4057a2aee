import { fileURLToPath } from "node:url";
import { freePort, type LocalEtcd } from "../local_etcd.ts";
import { residentMb } from "../process_stats.ts";
import { Program } from "../program.ts";

/** A server that runs, and is asked all the time. */
export class ServerProcess {
  readonly port: number;
  readonly #program: Program;

  private constructor(command: string, args: string[], port: number) {
    this.port = port;
    this.#program = Program.start(command, args, { silent: true, detached: true });
  }

  /** Starts a node. */
  static start(executable: string, etcd: Pick<LocalEtcd, "endpoint">, flags: readonly string[]): ServerProcess {
    const port = freePort();
    const own = ["--port", String(port), "--hostname", "127.0.0.1", "--endpoints", etcd.endpoint];
    return new ServerProcess(executable, [...own, ...flags], port);
  }

  /** Starts a server that does nothing but answer; `code` serves on `PORT`. */
  static bare(
    folder: string,
    code = `Deno.serve({ port: PORT, onListen() {} }, () => new Response("bare\\n"));`,
  ): ServerProcess {
    const port = freePort();
    const file = `${folder}/bare.js`;
    Deno.writeTextFileSync(file, code.replace("PORT", String(port)));
    return ServerProcess.#startDeno(port, file);
  }

  /** Starts a program that does nothing but hand over, or take over, `key`. */
  static bareNode(etcd: Pick<LocalEtcd, "endpoint">, key: string, role: "leader" | "next"): ServerProcess {
    const port = freePort();
    const file = fileURLToPath(new URL("./bare_node.js", import.meta.url));
    return ServerProcess.#startDeno(port, file, etcd.endpoint, key, String(port), role);
  }

  static #startDeno(port: number, file: string, ...args: string[]): ServerProcess {
    return new ServerProcess(Deno.execPath(), ["run", "-A", "--quiet", "--no-config", file, ...args], port);
  }

  /** The first of some nodes that says that it leads. */
  static async leaderOf(nodes: readonly ServerProcess[]): Promise<ServerProcess> {
    const over = new AbortController();
    const leader = await Promise.any(nodes.map(async (node) => {
      await node.answers((text) => text === "I am the leader\n", over.signal);
      return node;
    }));
    over.abort();
    return leader;
  }

  get ended(): Promise<Deno.CommandStatus> {
    return this.#program.status;
  }

  get pid(): number {
    return this.#program.pid;
  }

  kill(signal: Deno.Signal): void {
    this.#program.kill(signal);
  }

  async stop(): Promise<void> {
    this.kill("SIGTERM");
    await this.ended;
  }

  /** Asks every millisecond until the answer is as wanted. */
  async answers(wanted: (text: string) => boolean, signal?: AbortSignal): Promise<void> {
    while (!signal?.aborted) {
      const response = await this.fetch("/").catch(() => undefined);
      if (response && wanted(await response.text())) return;
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    throw new Error("nobody waits any more");
  }

  /** What it answers to a request. */
  fetch(path: string, init: RequestInit = {}): Promise<Response> {
    return fetch(`http://127.0.0.1:${this.port}${path}`, init);
  }

  /** One of its metrics, as it stands now. */
  async metric(name: string): Promise<number> {
    return metricIn(await (await this.fetch("/metrics")).text(), name);
  }

  /** Its resident memory. */
  residentMb(): number {
    return residentMb(this.pid);
  }
}

/** The value of a metric in a text of Prometheus; of the first, where there are several of the name. */
export function metricIn(text: string, name: string): number {
  const value = new RegExp(`^${name}(?:\\{.*\\})? (\\S+)$`, "m").exec(text)?.[1];
  if (value === undefined) throw new Error(`there is no metric ${name}`);
  return Number(value);
}

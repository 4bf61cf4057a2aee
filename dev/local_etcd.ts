import { type EtcdPrograms, findEtcd } from "./find_etcd.ts";
import { lines } from "./lines.ts";

/** How a local etcd is to run. */
export interface LocalEtcdOptions {
  /**
   * The port for clients.
   *
   * @default {a free one}
   */
  readonly port?: number;
}

/** A throw-away etcd of one member on loopback, with a data folder of its own. */
export class LocalEtcd implements AsyncDisposable {
  readonly port: number;
  readonly endpoint: string;
  readonly #programs: EtcdPrograms;
  readonly #peerPort: number;
  readonly #data: string;
  #process: Deno.ChildProcess | undefined;
  #drained: Promise<unknown> = Promise.resolve();

  private constructor(programs: EtcdPrograms, port: number, data: string) {
    this.#programs = programs;
    this.port = port;
    this.endpoint = `http://127.0.0.1:${port}`;
    this.#peerPort = freePort();
    this.#data = data;
  }

  /** Makes one and waits until it serves. */
  static async start({ port }: LocalEtcdOptions = {}): Promise<LocalEtcd> {
    const etcd = await LocalEtcd.prepare({ port });
    await etcd.start().catch(async (error) => {
      await etcd[Symbol.asyncDispose]();
      throw error;
    });
    return etcd;
  }

  /** Makes one that does not run yet. */
  static async prepare({ port = freePort() }: LocalEtcdOptions = {}): Promise<LocalEtcd> {
    const programs = await findEtcd();
    return new LocalEtcd(programs, port, await Deno.makeTempDir({ prefix: "leader-node-etcd-" }));
  }

  /** Ends when the process that runs now has ended. */
  get exited(): Promise<Deno.CommandStatus> {
    if (!this.#process) throw new Error("This etcd does not run");
    return this.#process.status;
  }

  /** Starts it, with the data that it has, and waits until it serves. */
  async start(): Promise<void> {
    const peer = `http://127.0.0.1:${this.#peerPort}`;
    const process = new Deno.Command(this.#programs.etcd, {
      // deno-fmt-ignore
      args: [
        "--name", "local", "--data-dir", `${this.#data}/data`,
        "--listen-client-urls", this.endpoint, "--advertise-client-urls", this.endpoint,
        "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", `local=${peer}`,
      ],
      env: { ETCD_UNSUPPORTED_ARCH: Deno.build.arch === "aarch64" ? "arm64" : "" },
      stdin: "null",
      stdout: "null",
      stderr: "piped",
      // Ctrl+C reaches whoever started this, not etcd: the nodes still need it to resign.
      detached: true,
    }).spawn();
    this.#process = process;
    const ready = Promise.withResolvers<void>();
    this.#drained = (async () => {
      let last = "";
      for await (const line of lines(process.stderr)) {
        last = line;
        if (line.includes("ready to serve client requests")) ready.resolve();
      }
      ready.reject(new Error(`etcd ended before it served: ${last}`));
    })();
    await ready.promise;
  }

  /** Sends the process a signal. */
  signal(signal: Deno.Signal): void {
    this.#process?.kill(signal);
  }

  /** Ends it in good order, or at once with SIGKILL; the data stays. */
  async stop(signal: "SIGTERM" | "SIGKILL" = "SIGTERM"): Promise<void> {
    if (!this.#process) return;
    const { status } = this.#process;
    try {
      this.#process.kill(signal);
    } catch (error) {
      // It has ended by itself.
      if (!(error instanceof TypeError) && !(error instanceof Deno.errors.NotFound)) throw error;
    }
    await status;
    await this.#drained;
    this.#process = undefined;
  }

  /** Ends it and removes its data. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop("SIGKILL");
    await Deno.remove(this.#data, { recursive: true });
  }

  /** Runs etcdctl against it and gives what it prints. */
  async ctl(...args: string[]): Promise<string> {
    const { success, stdout, stderr } = await this.command(args).output();
    if (!success) throw new Error(`etcdctl ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
    return new TextDecoder().decode(stdout).trim();
  }

  /** An etcdctl command against it. */
  command(args: string[]): Deno.Command {
    return new Deno.Command(this.#programs.etcdctl, {
      args,
      env: { ETCDCTL_API: "3", ETCDCTL_ENDPOINTS: this.endpoint },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    });
  }
}

/** A port on loopback that nobody listened on a moment ago. */
export function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

/** Whether somebody listens on the port. */
export function portInUse(port: number): boolean {
  try {
    Deno.listen({ hostname: "0.0.0.0", port }).close();
    return false;
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse) return true;
    throw error;
  }
}

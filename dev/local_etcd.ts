import { environmentWithout } from "./environment.ts";
import { EtcdNotFoundError, type EtcdPrograms, findEtcd } from "./find_etcd.ts";
import { freePort, portInUse } from "./ports.ts";
import { Program } from "./program.ts";

export { freePort, portInUse };

/** What sets the flags of etcd and etcdctl. */
const SETTINGS = /^ETCD(CTL)?_/;

/** The environment for an etcd that we start. Older versions start on ARM only with this variable. */
export function etcdEnvironment(arch: typeof Deno.build.arch = Deno.build.arch): Record<string, string> {
  return { ...environmentWithout(SETTINGS), ...(arch === "aarch64" ? { ETCD_UNSUPPORTED_ARCH: "arm64" } : {}) };
}

/** How a local etcd is to run. */
export interface LocalEtcdOptions {
  /**
   * The port for clients.
   *
   * @default {a free one}
   */
  readonly port?: number;
  /** Serves clients by TLS, with these files. */
  readonly tls?: ServerTls;
  /** Flags of etcd's that are given too. */
  readonly flags?: readonly string[];
}

/** The files of a TLS server. */
export interface ServerTls {
  readonly cert: string;
  readonly key: string;
  /** The authority of clients' certificates, if they must have one. */
  readonly clientCa?: string;
}

interface Member {
  readonly name: string;
  readonly port: number;
  readonly peerPort: number;
  /** Where the other members reach it. */
  readonly peerUrl: string;
  /** All members, as etcd's `--initial-cluster` wants them. */
  readonly cluster: string;
  readonly tls?: ServerTls;
  readonly flags?: readonly string[];
}

/** A throw-away etcd server on loopback, with a data folder of its own. */
export class LocalEtcd implements AsyncDisposable {
  readonly port: number;
  readonly endpoint: string;
  readonly #programs: EtcdPrograms;
  readonly #member: Member;
  readonly #data: string;
  #process: Program | undefined;

  private constructor(programs: EtcdPrograms, member: Member, data: string) {
    this.#programs = programs;
    this.#member = member;
    this.port = member.port;
    // A certificate is for a name.
    this.endpoint = member.tls ? `https://localhost:${member.port}` : `http://127.0.0.1:${member.port}`;
    this.#data = data;
  }

  /** Makes one and waits until it serves. */
  static async start(options: LocalEtcdOptions = {}): Promise<LocalEtcd> {
    const etcd = await LocalEtcd.prepare(options);
    await etcd.start().catch(async (error) => {
      await etcd[Symbol.asyncDispose]();
      throw error;
    });
    return etcd;
  }

  /** Makes one that does not run yet. */
  static async prepare({ port = freePort(), tls, flags }: LocalEtcdOptions = {}): Promise<LocalEtcd> {
    const [etcd] = await LocalEtcd.#prepare([port], { tls, flags: () => flags });
    return etcd!;
  }

  /**
   * Makes a cluster of this many members that do not run yet; enough of them must start at once. Each is
   * reached by the others on the port that `route` gives for its own, and has the flags at its place in `flags`.
   */
  static prepareCluster(
    size: number,
    route = (port: number) => port,
    flags: readonly (readonly string[])[] = [],
  ): Promise<LocalEtcd[]> {
    return LocalEtcd.#prepare(Array.from({ length: size }, freePort), { route, flags: (index) => flags[index] });
  }

  static async #prepare(
    ports: readonly number[],
    { tls, flags, route = (port) => port }: Pick<LocalEtcdOptions, "tls"> & {
      flags?: (index: number) => readonly string[] | undefined;
      route?: (port: number) => number;
    } = {},
  ): Promise<LocalEtcd[]> {
    const programs = await findEtcd();
    const members = ports.map((port, index) => {
      const peerPort = freePort();
      return { name: `local-${index}`, port, peerPort, peerUrl: `http://127.0.0.1:${route(peerPort)}` };
    });
    const cluster = members.map(({ name, peerUrl }) => `${name}=${peerUrl}`).join(",");
    return await Promise.all(members.map(async (member, index) => {
      const data = await Deno.makeTempDir({ prefix: "leader-node-etcd-" });
      return new LocalEtcd(programs, { ...member, cluster, tls, flags: flags?.(index) }, data);
    }));
  }

  /** The process that runs now. */
  get pid(): number {
    if (!this.#process) throw new Error("This etcd does not run");
    return this.#process.pid;
  }

  /** Ends when the process that runs now has ended. */
  get exited(): Promise<Deno.CommandStatus> {
    if (!this.#process) throw new Error("This etcd does not run");
    return this.#process.status;
  }

  /** Starts it, with the data that it has, and waits until it serves. */
  async start(): Promise<void> {
    const { name, port, peerPort, peerUrl, cluster, tls, flags = [] } = this.#member;
    const clients = `${tls ? "https" : "http"}://127.0.0.1:${port}`;
    // deno-fmt-ignore
    const args = [
      "--name", name, "--data-dir", `${this.#data}/data`,
      "--listen-client-urls", clients, "--advertise-client-urls", clients,
      "--listen-peer-urls", `http://127.0.0.1:${peerPort}`, "--initial-advertise-peer-urls", peerUrl,
      "--initial-cluster", cluster,
      ...flags,
      ...(tls ? ["--cert-file", tls.cert, "--key-file", tls.key] : []),
      ...(tls?.clientCa ? ["--client-cert-auth", "--trusted-ca-file", tls.clientCa] : []),
    ];
    const ready = Promise.withResolvers<void>();
    let last = "";
    this.#process = Program.start(this.#programs.etcd, args, {
      clearEnv: true,
      env: etcdEnvironment(),
      onLine: (line) => {
        last = line;
        if (line.includes("ready to serve client requests")) ready.resolve();
      },
      // Ctrl+C reaches the starter, not etcd: the nodes still need it to resign.
      detached: true,
    });
    this.#process.drained.then(() => ready.reject(new Error(`etcd ended before it served: ${last}`)));
    await ready.promise;
  }

  /** Sends the process a signal. */
  signal(signal: Deno.Signal): void {
    this.#process?.kill(signal);
  }

  /** Ends it in good order, or at once with SIGKILL; the data stays. */
  async stop(signal: "SIGTERM" | "SIGKILL" = "SIGTERM"): Promise<void> {
    await this.#process?.stop(signal);
    this.#process = undefined;
  }

  /** Deletes the data of an etcd that has been stopped. */
  async loseData(): Promise<void> {
    await Deno.remove(`${this.#data}/data`, { recursive: true });
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
    const { etcdctl } = this.#programs;
    if (!etcdctl) {
      throw new EtcdNotFoundError("no etcdctl found beside etcd or on the PATH; Debian: apt-get install etcd-client");
    }
    return new Deno.Command(etcdctl, {
      args,
      clearEnv: true,
      env: { ...environmentWithout(SETTINGS), ETCDCTL_API: "3", ETCDCTL_ENDPOINTS: this.endpoint },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    });
  }
}

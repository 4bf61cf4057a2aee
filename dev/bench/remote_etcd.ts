import { Worker } from "node:worker_threads";
import { findEtcd } from "../find_etcd.ts";
import { etcdEnvironment } from "../local_etcd.ts";
import type { LineQuality } from "./lossy_link.ts";
import { Program } from "../program.ts";

/** Of the networks that RFC 2544 sets aside for measuring. */
const [NEAR, FAR] = ["198.18.26.1", "198.18.26.2"];
const MASK = 30;
const DEVICES = ["leader-near", "leader-far"] as const;
const SERVES_WITHIN_MS = 10_000;

/** What is missing on this machine, in a line for the user. */
export class UnsupportedHostError extends Error {}

/** A throw-away etcd in a network namespace of its own, at the other end of a line; one in a process. */
export class RemoteEtcd implements AsyncDisposable {
  readonly endpoint = `http://${FAR}:2379`;
  readonly #process: Program;
  readonly #line: Worker;
  readonly #data: string;

  private constructor(process: Program, line: Worker, data: string) {
    this.#process = process;
    this.#line = line;
    this.#data = data;
  }

  /**
   * Starts one.
   *
   * @throws {UnsupportedHostError} If this is not the machine for it.
   */
  static async start(): Promise<RemoteEtcd> {
    await check();
    const { etcd } = await findEtcd();
    const line = await openLine();
    const data = await Deno.makeTempDir({ prefix: "leader-node-etcd-" });
    addEventListener("unload", () => Deno.removeSync(data, { recursive: true }));
    // The namespace has no name, so that it is gone when etcd is.
    // deno-fmt-ignore
    const args = [
      "--net", etcd, "--data-dir", `${data}/data`,
      "--listen-client-urls", "http://0.0.0.0:2379", "--advertise-client-urls", `http://${FAR}:2379`,
    ];
    const env = etcdEnvironment();
    const process = Program.start("unshare", args, { env, clearEnv: true, silent: true, detached: true });
    const far = new RemoteEtcd(process, line, data);
    try {
      await far.#connect();
    } catch (error) {
      await far[Symbol.asyncDispose]();
      throw error;
    }
    return far;
  }

  /** From now on the line is so good, in each direction. */
  set line(quality: LineQuality) {
    this.#line.postMessage(quality);
  }

  /** Asks for its version, over a connection that stands if there was one. */
  async ask(): Promise<void> {
    await (await fetch(`${this.endpoint}/version`)).text();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#process.kill("SIGKILL");
    } catch {
      // It has ended by itself.
    }
    await this.#process.status;
    await this.#line.terminate();
  }

  /** Gives each namespace its end of the line, and waits until etcd answers. */
  async #connect(): Promise<void> {
    const [near, far] = DEVICES;
    await namespaceOf(this.#process);
    await run("ip", "link", "set", far, "netns", String(this.#process.pid));
    await run("ip", "address", "add", `${NEAR}/${MASK}`, "dev", near);
    await run("ip", "link", "set", near, "up");
    const inside = (...args: string[]) => run("nsenter", `--net=/proc/${this.#process.pid}/ns/net`, "ip", ...args);
    await inside("address", "add", `${FAR}/${MASK}`, "dev", far);
    await inside("link", "set", far, "up");
    await inside("link", "set", "lo", "up");
    await this.#serves();
  }

  async #serves(): Promise<void> {
    const until = performance.now() + SERVES_WITHIN_MS;
    for (;;) {
      try {
        return await this.ask();
      } catch (error) {
        if (performance.now() > until) throw error;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  }
}

async function check(): Promise<void> {
  const needs = {
    Linux: Deno.build.os === "linux",
    root: Deno.build.os === "linux" && Deno.uid() === 0,
    "/dev/net/tun": await Deno.stat("/dev/net/tun").then(() => true, () => false),
    "ip (iproute2)": await runs("ip", "-V"),
    "unshare (util-linux)": await runs("unshare", "--version"),
    "nsenter (util-linux)": await runs("nsenter", "--version"),
  };
  const missing = Object.entries(needs).flatMap(([what, there]) => there ? [] : [what]);
  if (missing.length > 0) {
    throw new UnsupportedHostError(`a network of its own for etcd needs what is not here: ${missing.join(", ")}`);
  }
}

async function openLine(): Promise<Worker> {
  const line = new Worker(new URL("./lossy_link.ts", import.meta.url), { workerData: DEVICES });
  const opened = Promise.withResolvers<void>();
  line.once("message", () => opened.resolve());
  line.once("error", (error: Error) => {
    opened.reject(new UnsupportedHostError(`${error.message}: is it there already, or is this root not allowed to?`));
  });
  await opened.promise;
  return line;
}

/** Waits until a process has a network namespace of its own. */
async function namespaceOf({ pid, status }: Program): Promise<void> {
  let ended = false;
  status.then(() => ended = true);
  const own = await Deno.readLink("/proc/self/ns/net");
  while (!ended && await Deno.readLink(`/proc/${pid}/ns/net`).catch(() => own) === own) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  if (ended) throw new UnsupportedHostError("etcd cannot be started in a network namespace: unshare --net fails");
}

async function runs(command: string, ...args: string[]): Promise<boolean> {
  return await run(command, ...args).then(() => true, () => false);
}

async function run(command: string, ...args: string[]): Promise<void> {
  const { code, stderr } = await Program.run(command, args);
  if (code !== 0) throw new Error(`${command} ${args.join(" ")}: ${stderr.trim()}`);
}

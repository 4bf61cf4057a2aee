import type { LocalEtcd } from "../../dev/local_etcd.ts";
import { type LogLine, NodeProcess, type NodeProcessOptions } from "../../dev/node_process.ts";
import { promptly, within } from "./until.ts";

/** A node in a process of its own, with its log and its HTTP. */
export class TestNode implements AsyncDisposable {
  /** Everything logged so far; what is no JSON stands as text. */
  readonly log: (LogLine | string)[] = [];
  readonly #process: NodeProcess;
  readonly #logged = new EventTarget();
  #port = 0;

  private constructor(flags: readonly string[], options: NodeProcessOptions) {
    this.#process = new NodeProcess(
      flags,
      (line) => {
        this.log.push(line);
        this.#logged.dispatchEvent(new Event("line"));
      },
      options,
    );
  }

  /** Starts a node on a free port of loopback and waits until it listens. */
  static async start(
    etcd: Pick<LocalEtcd, "endpoint">,
    flags: readonly string[] = [],
    options: NodeProcessOptions = {},
  ): Promise<TestNode> {
    const defaults = ["--port", "0", "--hostname", "127.0.0.1", "--endpoints", etcd.endpoint, "--log-level", "debug"];
    const node = new TestNode([...defaults, ...flags], options);
    const { port } = await node.logs("listening");
    node.#port = Number(port);
    return node;
  }

  get port(): number {
    return this.#port;
  }

  get pid(): number {
    return this.#process.pid;
  }

  get exited(): Promise<Deno.CommandStatus> {
    return this.#process.exited;
  }

  kill(signal: Deno.Signal): void {
    this.#process.kill(signal);
  }

  /** Fills its log's pipe and reads no more of it, until the function that it gives is called. */
  async blockLog(): Promise<() => void> {
    const read = this.#process.stopReading();
    const fill = `yes | dd of=/proc/${this.pid}/fd/2 oflag=nonblock bs=4096 count=64 iflag=fullblock conv=notrunc`;
    // The runtime reads ahead: until nothing more gets in.
    for (let taken = true; taken;) {
      const { stderr } = await new Deno.Command("sh", { args: ["-c", fill], stdin: "null", stderr: "piped" }).output();
      taken = !new TextDecoder().decode(stderr).includes("0+0 records out");
    }
    return read;
  }

  /** The first line with this event and these fields, from line `from` of the log on, now or at the latest after `ms`. */
  async logs(
    event: string,
    { from = 0, ms, fields = {} }: { from?: number; ms?: number; fields?: Partial<LogLine> } = {},
  ): Promise<LogLine> {
    const found = Promise.withResolvers<LogLine>();
    const check = () => {
      const wanted = Object.entries({ ...fields, event });
      const line = this.log.slice(from).find((line) =>
        typeof line !== "string" && wanted.every(([name, value]) => line[name] === value)
      );
      if (line) found.resolve(line as LogLine);
    };
    this.#logged.addEventListener("line", check);
    check();
    try {
      const what = () => `${event} in the log of ${JSON.stringify(this.log.slice(-5))}`;
      return await (ms === undefined ? within(10_000, what, found.promise) : promptly(ms, what, found.promise));
    } finally {
      this.#logged.removeEventListener("line", check);
    }
  }

  /** What it answers to `GET /`, as curl asks. */
  async curl(): Promise<string> {
    return (await this.get("/")).body;
  }

  /** What it answers to a request. */
  async get(path: string, init: RequestInit = {}): Promise<{ status: number; body: string; headers: Headers }> {
    // A connection of its own for each request, as curl has.
    const client = Deno.createHttpClient({ poolMaxIdlePerHost: 0 });
    try {
      const response = await fetch(`http://127.0.0.1:${this.#port}${path}`, {
        headers: { accept: "*/*" },
        redirect: "manual",
        ...init,
        client,
      });
      return { status: response.status, body: await response.text(), headers: response.headers };
    } finally {
      client.close();
    }
  }

  /** Ends it as an operator would, and gives its exit code. */
  async stop(signal: Deno.Signal = "SIGTERM"): Promise<number> {
    this.kill("SIGCONT");
    this.kill(signal);
    return (await within(10_000, "the node to end", this.exited)).code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.kill("SIGKILL");
    await this.exited;
  }
}

/** A leader and two that wait, in this order. */
export async function threeNodes(
  etcd: Pick<LocalEtcd, "endpoint">,
  flags: readonly string[] = [],
  options: NodeProcessOptions = {},
): Promise<[TestNode, TestNode, TestNode]> {
  const all: TestNode[] = [];
  for (const id of ["a", "b", "c"]) {
    const node = await TestNode.start(etcd, ["--id", id, ...flags], options);
    await node.logs("queued");
    all.push(node);
  }
  const [a, b, c] = all as [TestNode, TestNode, TestNode];
  await Promise.all([a.logs("leading"), b.logs("following"), c.logs("following")]);
  return [a, b, c];
}

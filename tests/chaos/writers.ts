import type { LocalEtcd } from "../../dev/local_etcd.ts";
import { type Operation, whyNotLinearizable } from "../support/linearizable.ts";
import { Program } from "../support/program.ts";
import { Proxy } from "../support/proxy.ts";
import { within } from "../support/until.ts";
import { nameOf, OBJECTS, type SharedObject, type Told } from "./objects.ts";

/** A process that writes while it leads, with its own way to each etcd member. */
interface Writer {
  readonly process: Program;
  readonly proxies: readonly Proxy[];
  /** Its key in the queue, once it has led. */
  key: string;
}

/** Three writers, and the history of what they did and saw. */
export class Writers implements AsyncDisposable {
  readonly #etcds: readonly LocalEtcd[];
  readonly #folder = Deno.makeTempDirSync({ prefix: "leader-node-writers-" });
  readonly #name = crypto.randomUUID();
  readonly #writers: Writer[] = [];
  readonly #history = new Map<string, Map<string, Operation>>(OBJECTS.map((object) => [nameOf(object), new Map()]));
  readonly #listeners = new Set<(writer: Writer, told: Told) => void>();
  readonly #unexpected: string[] = [];
  #started = 0;
  #reads = 0;

  constructor(etcds: readonly LocalEtcd[]) {
    this.#etcds = etcds;
    for (let count = 0; count < 3; count++) this.add();
  }

  add(): void {
    const proxies = this.#etcds.map(({ port }) => new Proxy(port));
    const id = String.fromCharCode("a".charCodeAt(0) + this.#started++);
    const endpoints = proxies.map(({ endpoint }) => endpoint).join();
    const program = new URL("./writer.ts", import.meta.url).pathname;
    const args = ["run", "-A", "--quiet", program, endpoints, this.#name, `${this.#folder}/objects.db`, id];
    const onLine = (line: string) => this.#hear(writer, line);
    const writer: Writer = { process: Program.start(Deno.execPath(), args, { onLine }), proxies, key: "" };
    this.#writers.push(writer);
  }

  /** Resolves with the next writer whose fenced write is done, by another key than this writer has now, if given. */
  async next(former?: Writer): Promise<Writer> {
    const first = nameOf(OBJECTS[0]);
    const key = former?.key;
    return await this.hears("a write by another key", (writer, told) => {
      return told.type === "done" && told.object === first && writer.key !== key;
    });
  }

  /** Resolves with the first one that tells what is wanted, from now on. */
  async hears(what: string, wanted: (writer: Writer, told: Told) => boolean): Promise<Writer> {
    const found = Promise.withResolvers<Writer>();
    const listen = (writer: Writer, told: Told) => wanted(writer, told) && found.resolve(writer);
    this.#listeners.add(listen);
    try {
      return await within(15_000, () => `${what}; they said ${JSON.stringify(this.#unexpected)}`, found.promise);
    } finally {
      this.#listeners.delete(listen);
    }
  }

  /** Resolves when each has looked at all once more. */
  async look(): Promise<void> {
    await Promise.all(this.#writers.map((writer) => {
      let looks = 0;
      return this.hears("a writer to read", (who, told) => {
        return who === writer && told.type === "read" && told.object === nameOf(OBJECTS.at(-1)!) && ++looks === 2;
      });
    }));
  }

  /** Whoever leads, now or later, stops between its next check and the writes that follow. */
  freeze(): void {
    for (const { process } of this.#writers) process.kill("SIGUSR2");
  }

  thaw(): void {
    for (const { process } of this.#writers) process.kill("SIGCONT");
  }

  /** Kills one for good. */
  async kill(writer: Writer): Promise<void> {
    this.#writers.splice(this.#writers.indexOf(writer), 1);
    await writer.process.stop("SIGKILL");
    await Promise.all(writer.proxies.map((proxy) => proxy[Symbol.asyncDispose]()));
  }

  /** What is wrong with the histories of what is fenced. */
  violations(): string[] {
    return OBJECTS.filter(({ fenced }) => fenced).map((object) => this.judge(object)).filter((why) =>
      why !== undefined
    );
  }

  /** Why the history of an object is not linearizable, if it is not. */
  judge(object: SharedObject): string | undefined {
    const history = [...this.#history.get(nameOf(object))!.values()];
    const why = whyNotLinearizable(object.kind, history);
    return why && `of ${history.length} operations on the ${nameOf(object)}: ${why}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#writers].map((writer) => this.kill(writer)));
    await Deno.remove(this.#folder, { recursive: true });
  }

  #hear(writer: Writer, line: string): void {
    // Warnings of the runtime, or what it died of.
    if (!line.startsWith("{")) return void this.#unexpected.push(line);
    const told: Told = JSON.parse(line);
    const history = this.#history.get(told.object)!;
    if (told.type === "read") {
      history.set(`read ${this.#reads++}`, told);
    } else if (told.type === "invoked") {
      writer.key = told.key;
      const { value, after, at } = told;
      history.set(value, { type: "write", value, after, invokedAt: at, returnedAt: Infinity });
    } else if (told.type === "done") {
      history.set(told.value, { ...history.get(told.value)!, returnedAt: told.at });
    } else history.delete(told.value);
    for (const listen of this.#listeners) listen(writer, told);
  }
}

import { fileURLToPath } from "node:url";
import { LocalEtcd } from "../../dev/local_etcd.ts";
import { TestNode } from "../support/node.ts";
import { Proxy } from "../support/proxy.ts";
import { within } from "../support/until.ts";
import { Referee } from "./referee.ts";

/** The TTL of all nodes here, in seconds: the shortest that etcd grants. */
export const TTL = 2;

export const BLOCK_MS = 2 * TTL * 1000;

/** By how much a wall clock is set: an hour. */
const CLOCK_STEP_MS = 3600_000;

/** How long all may take to agree after a fault: a new raft leader extends leases by its election timeout. */
const SETTLE_MS = TTL * 1000 + 8000;

/** Three nodes, each with its own way to each etcd member, and somebody who watches what they say. */
export class Testbed implements AsyncDisposable {
  readonly etcds: LocalEtcd[];
  readonly nodes: TestNode[] = [];
  /** How many leases etcd took away although they were renewed. */
  takenLeases = 0;
  readonly referee = new Referee<TestNode>();
  readonly #proxies = new Map<TestNode, Proxy[]>();
  /** The way to each member, for the others. */
  readonly #peerProxies: Proxy[];
  /** What all nodes are started with. */
  readonly #flags: readonly string[];
  #memberIds: string[] = [];

  private constructor(etcds: LocalEtcd[], peerProxies: Proxy[], flags: readonly string[]) {
    this.etcds = etcds;
    this.#flags = flags;
    this.#peerProxies = peerProxies;
  }

  /** `etcdFlags` are those of each member. */
  static async start(
    members: 1 | 3,
    flags: readonly string[] = [],
    etcdFlags: readonly (readonly string[])[] = [],
  ): Promise<Testbed> {
    const peerProxies: Proxy[] = [];
    const route = (port: number) => peerProxies[peerProxies.push(new Proxy(port)) - 1]!.port;
    const stage = new Testbed(await LocalEtcd.prepareCluster(members, route, etcdFlags), peerProxies, flags);
    await stage.#start().catch(async (error) => {
      await stage[Symbol.asyncDispose]();
      throw error;
    });
    return stage;
  }

  async #start(): Promise<void> {
    await Promise.all(this.etcds.map((etcd) => etcd.start()));
    const list = (await this.etcds[0]!.ctl("member", "list")).split("\n").map((line) => line.split(", "));
    this.#memberIds = this.#peerProxies.map(({ port }) => list.find(([, , , url]) => url!.endsWith(`:${port}`))![0]!);
    for (let index = 0; index < 3; index++) await this.addNode();
    await this.settle();
  }

  async addNode(): Promise<void> {
    const proxies = this.etcds.map(({ port }) => new Proxy(port));
    const endpoint = proxies.map(({ endpoint }) => endpoint).join(",");
    const node = await TestNode.start({ endpoint }, ["--ttl", String(TTL), ...this.#flags], {
      preload: fileURLToPath(new URL("../support/faulty_machine.ts", import.meta.url)),
      env: { BLOCK_MS: String(BLOCK_MS), CLOCK_STEP_MS: String(CLOCK_STEP_MS) },
    });
    this.#proxies.set(node, proxies);
    this.nodes.push(node);
    this.referee.watch(node);
  }

  /** The way between a node and each etcd member. */
  proxies(node: TestNode): Proxy[] {
    return this.#proxies.get(node)!;
  }

  /** The member that a node speaks with. */
  serving(node: TestNode): LocalEtcd {
    return this.etcds[this.proxies(node).findIndex(({ connections }) => connections > 0)]!;
  }

  /** The member that leads etcd. */
  raftLeader(): Promise<LocalEtcd> {
    const ask = async () => {
      for (;;) {
        for (const etcd of this.etcds) {
          const [{ Status }] = JSON.parse(await etcd.ctl("endpoint", "status", "-w", "json"));
          if (Status.leader === Status.header.member_id) return etcd;
        }
      }
    };
    return within(5000, "a member to lead", ask());
  }

  /** Cuts a member off from the others, silently and in both directions; clients reach it as before. */
  isolate(member: LocalEtcd): void {
    const index = this.etcds.indexOf(member);
    for (const [other, proxy] of this.#peerProxies.entries()) {
      if (other === index) proxy.stall("to-server", "to-client");
      // That is how a member greets the others.
      else proxy.stallFrom(`X-Server-From: ${this.#memberIds[index]}`);
    }
  }

  /** Ends what `isolate` did. */
  rejoin(): void {
    for (const proxy of this.#peerProxies) proxy.heal();
  }

  /** Waits until all nodes agree on a leader. */
  settle(): Promise<TestNode> {
    return this.referee.agreed(SETTLE_MS);
  }

  /** Lets a frozen member go on. One that led etcd may then revoke leases that were renewed meanwhile. */
  thaw(member: LocalEtcd): void {
    this.referee.keysMayBeTaken(TTL * 1000);
    member.signal("SIGCONT");
  }

  /** Waits until another node than this one says that it leads. */
  successorOf(former: TestNode): Promise<void> {
    return this.referee.succeeded(former, SETTLE_MS);
  }

  /** Takes a node away that has ended. */
  async remove(node: TestNode): Promise<void> {
    this.referee.forget(node);
    this.nodes.splice(this.nodes.indexOf(node), 1);
    await node[Symbol.asyncDispose]();
    await Promise.all(this.proxies(node).map((proxy) => proxy[Symbol.asyncDispose]()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const etcd of this.etcds) etcd.signal("SIGCONT");
    for (const node of this.nodes) node.kill("SIGCONT");
    await this.referee[Symbol.asyncDispose]();
    await Promise.all([...this.nodes].map((node) => this.remove(node)));
    await Promise.all(this.etcds.map((etcd) => etcd[Symbol.asyncDispose]()));
    await Promise.all(this.#peerProxies.map((proxy) => proxy[Symbol.asyncDispose]()));
  }
}

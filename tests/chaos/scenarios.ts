import { LocalEtcd } from "../../dev/local_etcd.ts";
import { TestNode } from "../support/node.ts";
import { Proxy } from "../support/proxy.ts";
import { Referee } from "./referee.ts";

/** The TTL of all nodes here, in seconds: the shortest that etcd grants. */
export const TTL = 2;

const BLOCK_MS = 2 * TTL * 1000;

/** How long all may take to agree after a fault: a new raft leader extends leases by its election timeout. */
const SETTLE_MS = TTL * 1000 + 8000;

/** Three nodes, each with its own way to each etcd member, and somebody who watches what they say. */
export class Stage implements AsyncDisposable {
  readonly etcds: LocalEtcd[];
  readonly nodes: TestNode[] = [];
  readonly referee = new Referee();
  readonly #proxies = new Map<TestNode, Proxy[]>();

  private constructor(etcds: LocalEtcd[]) {
    this.etcds = etcds;
  }

  static async start(members: 1 | 3): Promise<Stage> {
    const stage = new Stage(await LocalEtcd.prepareCluster(members));
    await Promise.all(stage.etcds.map((etcd) => etcd.start()));
    for (let index = 0; index < 3; index++) await stage.addNode();
    await stage.settle();
    return stage;
  }

  async addNode(): Promise<void> {
    const proxies = this.etcds.map(({ port }) => new Proxy(port));
    const endpoint = proxies.map(({ endpoint }) => endpoint).join(",");
    const node = await TestNode.start({ endpoint }, ["--ttl", String(TTL)], {
      preload: new URL("../support/block_on_signal.ts", import.meta.url).pathname,
      env: { BLOCK_MS: String(BLOCK_MS) },
    });
    this.#proxies.set(node, proxies);
    this.nodes.push(node);
    this.referee.watch(node);
  }

  /** The way between a node and each etcd member. */
  proxies(node: TestNode): Proxy[] {
    return this.#proxies.get(node)!;
  }

  /** Waits until all nodes agree on a leader. */
  settle(): Promise<TestNode> {
    return this.referee.agreed(SETTLE_MS);
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
  }
}

/** A kind of fault: one round of it, from a settled stage, with all healed at the end. */
export interface Scenario {
  readonly name: string;
  readonly members: 1 | 3;
  /** Milliseconds without a leader that are in order. */
  readonly boundMs: number;
  round(stage: Stage): Promise<void>;
}

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** TTL, etcd's scan of half a second, and what two busy cores may add. */
const AFTER_LOSS_MS = TTL * 1000 + 2000;

function partition(name: string, ...directions: Parameters<Proxy["stall"]>): Scenario {
  return {
    name,
    members: 1,
    boundMs: AFTER_LOSS_MS,
    async round(stage) {
      const leader = await stage.settle();
      const moved = stage.successorOf(leader);
      for (const proxy of stage.proxies(leader)) proxy.stall(...directions);
      await moved;
      for (const proxy of stage.proxies(leader)) proxy.heal();
      await stage.settle();
    },
  };
}

/** The leader's process ends, and another node takes its place in the queue. */
function departure(name: string, boundMs: number, end: (leader: TestNode) => unknown): Scenario {
  return {
    name,
    members: 1,
    boundMs,
    async round(stage) {
      const leader = await stage.settle();
      stage.referee.forget(leader);
      await end(leader);
      await stage.remove(leader);
      await stage.settle();
      await stage.addNode();
      await stage.settle();
    },
  };
}

/** The member that leads etcd. */
async function raftLeader(etcds: readonly LocalEtcd[]): Promise<LocalEtcd> {
  for (const etcd of etcds) {
    const [{ Status }] = JSON.parse(await etcd.ctl("endpoint", "status", "-w", "json"));
    if (Status.leader === Status.header.member_id) return etcd;
  }
  throw new Error("No member leads");
}

/** All scenarios. */
export const SCENARIOS: readonly Scenario[] = [
  partition("leader cut off from etcd in silence", "to-server", "to-client"),
  partition("leader not heard by etcd", "to-server"),
  partition("leader does not hear etcd", "to-client"),
  {
    name: "leader frozen for two TTLs, asked all the while",
    members: 1,
    boundMs: AFTER_LOSS_MS,
    async round(stage) {
      const leader = await stage.settle();
      const moved = stage.successorOf(leader);
      leader.kill("SIGSTOP");
      const early = Array.from({ length: 8 }, () => leader.curl());
      await Promise.all([moved, sleep(2 * TTL * 1000)]);
      stage.referee.thawed(leader);
      leader.kill("SIGCONT");
      for (const answer of await Promise.all(early)) {
        if (answer === "I am the leader\n") stage.referee.violations.push("a frozen leader thaws as leader");
      }
      await stage.settle();
    },
  },
  {
    name: "leader's event loop blocked for two TTLs by its own code",
    members: 1,
    boundMs: AFTER_LOSS_MS,
    async round(stage) {
      const leader = await stage.settle();
      const moved = stage.successorOf(leader);
      stage.referee.thawed(leader, performance.now() + BLOCK_MS);
      leader.kill("SIGUSR2");
      await moved;
      await leader.logs("term-ended", { from: leader.log.length });
      await stage.settle();
    },
  },
  departure("leader killed", AFTER_LOSS_MS, (leader) => leader.kill("SIGKILL")),
  departure("leader resigns by SIGTERM", 1000, (leader) => leader.stop()),
  {
    name: "connections to etcd cut",
    members: 1,
    boundMs: 1000,
    async round(stage) {
      for (const node of stage.nodes) for (const proxy of stage.proxies(node)) proxy.cut();
      await stage.settle();
    },
  },
  {
    name: "etcd killed and started again",
    members: 1,
    boundMs: 2 * AFTER_LOSS_MS,
    async round(stage) {
      const [etcd] = stage.etcds;
      await etcd!.stop("SIGKILL");
      await etcd!.start();
      await stage.settle();
    },
  },
  {
    name: "raft leader killed (3 members)",
    members: 3,
    boundMs: 2 * AFTER_LOSS_MS,
    async round(stage) {
      const member = await raftLeader(stage.etcds);
      await member.stop("SIGKILL");
      await stage.settle();
      await member.start();
      await stage.settle();
    },
  },
  {
    name: "raft leader frozen (3 members)",
    members: 3,
    boundMs: 2 * AFTER_LOSS_MS,
    async round(stage) {
      const member = await raftLeader(stage.etcds);
      member.signal("SIGSTOP");
      await stage.settle();
      await sleep(TTL * 1000);
      member.signal("SIGCONT");
      await stage.settle();
    },
  },
  {
    name: "two members frozen: no quorum, then healed (3 members)",
    members: 3,
    boundMs: 6 * AFTER_LOSS_MS,
    async round(stage) {
      const frozen = stage.etcds.slice(1);
      for (const member of frozen) member.signal("SIGSTOP");
      await sleep(2 * TTL * 1000);
      for (const member of frozen) member.signal("SIGCONT");
      await stage.settle();
    },
  },
  {
    name: "rolling restart of all members (3 members)",
    members: 3,
    boundMs: 2 * AFTER_LOSS_MS,
    async round(stage) {
      for (const member of stage.etcds) {
        await member.stop("SIGTERM");
        await member.start();
        await stage.settle();
      }
    },
  },
];

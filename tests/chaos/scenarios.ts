import type { TestNode } from "../support/node.ts";
import type { Proxy } from "../support/proxy.ts";
import { busyCores, unrulyNeighbour } from "./load.ts";
import { faultsOfWriters } from "./fenced_writes.ts";
import { randomFaults } from "./random_faults.ts";
import { sleep } from "./sleep.ts";
import { BLOCK_MS, type Testbed, TTL } from "./stage.ts";
import { thawedRaftLeader } from "./thawed_raft_leader.ts";
import { Writers } from "./writers.ts";

/** What the faults happen to. The tests of each group are in a file of its own, to run beside the others. */
export const GROUPS = ["network", "node", "command", "machine", "members", "quorum", "thaw", "writes", "mix"] as const;

/** A kind of fault: one round of it, from a settled stage, with all healed at the end. */
export interface Scenario {
  readonly name: string;
  readonly group: typeof GROUPS[number];
  readonly members: 1 | 3;
  /** Milliseconds without a leader that are in order. */
  readonly boundMs: number;
  /** Flags of each etcd member. */
  readonly etcdFlags?: readonly (readonly string[])[];
  /** Shell that the nodes' commands run before they beat; without it they have none. */
  readonly command?: string;
  round(stage: Testbed): Promise<void>;
}

/** A daemon without an environment, which ignores SIGTERM. */
const DAEMON =
  '(trap "" TERM; env -i LEADER_NODE_TOKEN="$LEADER_NODE_TOKEN" PATH="$PATH" setsid sh -c "$BEAT" away &) &';

/** How long a fault lasts that the lead should survive. */
const SPELL_MS = 2 * TTL * 1000;

/** TTL, etcd's scan of half a second, and what two busy cores may add. */
const AFTER_LOSS_MS = TTL * 1000 + 2000;

function partition(name: string, ...directions: Parameters<Proxy["stall"]>): Scenario {
  return {
    name,
    group: "network",
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
    group: "node",
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

/** All scenarios. */
export const SCENARIOS: readonly Scenario[] = [
  partition("leader cut off from etcd in silence", "to-server", "to-client"),
  partition("leader not heard by etcd", "to-server"),
  partition("leader does not hear etcd", "to-client"),
  {
    name: "leader frozen for two TTLs, asked all the while",
    group: "node",
    members: 1,
    boundMs: AFTER_LOSS_MS,
    async round(stage) {
      const leader = await stage.settle();
      const moved = stage.successorOf(leader);
      leader.kill("SIGSTOP");
      stage.referee.froze(leader);
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
    group: "node",
    members: 1,
    boundMs: AFTER_LOSS_MS,
    async round(stage) {
      const leader = await stage.settle();
      const moved = stage.successorOf(leader);
      leader.kill("SIGUSR2");
      stage.referee.froze(leader);
      stage.referee.thawed(leader, performance.now() + BLOCK_MS);
      await moved;
      await leader.logs("term-ended", { from: leader.log.length });
      await stage.settle();
    },
  },
  departure("leader killed", AFTER_LOSS_MS, (leader) => leader.kill("SIGKILL")),
  departure("leader resigns by SIGTERM", 1000, (leader) => leader.stop()),
  {
    name: "leader's log blocked, then the leader cut off from etcd in silence",
    group: "node",
    members: 1,
    boundMs: 2 * AFTER_LOSS_MS,
    async round(stage) {
      const leader = await stage.settle();
      const readLog = await leader.blockLog();
      const moved = stage.successorOf(leader);
      for (const proxy of stage.proxies(leader)) proxy.stall("to-server", "to-client");
      await moved;
      for (const proxy of stage.proxies(leader)) proxy.heal();
      await stage.settle();
      readLog();
    },
  },
  {
    name: "leader with a command that daemonizes, killed, frozen and cut off in turn",
    group: "command",
    members: 1,
    boundMs: AFTER_LOSS_MS,
    command: DAEMON,
    async round(stage) {
      for (const fault of ["SIGKILL", "SIGSTOP", "cut off"] as const) {
        const leader = await stage.settle();
        await leader.logs("command-started");
        const moved = stage.successorOf(leader);
        if (fault === "SIGKILL") {
          stage.referee.forget(leader);
          leader.kill(fault);
          await stage.remove(leader);
          await stage.addNode();
        } else if (fault === "SIGSTOP") {
          leader.kill(fault);
          stage.referee.froze(leader);
          await moved;
          stage.referee.thawed(leader);
          leader.kill("SIGCONT");
        } else {
          for (const proxy of stage.proxies(leader)) proxy.stall("to-server", "to-client");
          await moved;
          for (const proxy of stage.proxies(leader)) proxy.heal();
        }
        await moved;
      }
      await stage.settle();
    },
  },
  {
    name: "connections to etcd cut",
    group: "network",
    members: 1,
    boundMs: 1000,
    async round(stage) {
      for (const node of stage.nodes) for (const proxy of stage.proxies(node)) proxy.cut();
      await stage.settle();
    },
  },
  {
    name: "slow lines to etcd: 100 ms more each way, 10 kB/s",
    group: "network",
    members: 1,
    boundMs: AFTER_LOSS_MS,
    async round(stage) {
      const all = stage.nodes.flatMap((node) => stage.proxies(node));
      for (const proxy of all) Object.assign(proxy, { delayMs: 100, bytesPerSecond: 10_000 });
      await sleep(SPELL_MS);
      for (const proxy of all) proxy.heal();
      await stage.settle();
    },
  },
  {
    name: "leader's wall clock set an hour ahead, then back",
    group: "node",
    members: 1,
    boundMs: 1000,
    async round(stage) {
      const leader = await stage.settle();
      for (let step = 0; step < 2; step++) {
        leader.kill("SIGUSR1");
        await sleep(TTL * 1000 / 2);
        await stage.settle();
      }
    },
  },
  {
    name: "four busy loops on two cores",
    group: "machine",
    members: 1,
    boundMs: AFTER_LOSS_MS,
    async round(stage) {
      await using _load = busyCores(4);
      await sleep(SPELL_MS);
      await stage.settle();
    },
  },
  {
    name: "a neighbour with 200 elections a second under the same prefix",
    group: "machine",
    members: 1,
    boundMs: 1000,
    async round(stage) {
      await unrulyNeighbour(stage.etcds[0]!.endpoint, 200, SPELL_MS);
      await stage.settle();
    },
  },
  {
    name: "etcd killed and started again",
    group: "members",
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
    name: "etcd killed and started again without its data",
    group: "members",
    members: 1,
    boundMs: 2 * AFTER_LOSS_MS,
    async round(stage) {
      const [etcd] = stage.etcds;
      await stage.settle();
      await etcd!.stop("SIGKILL");
      await etcd!.loseData();
      stage.referee.lostData(TTL * 1000);
      await etcd!.start();
      await stage.settle();
    },
  },
  {
    name: "raft leader killed (3 members)",
    group: "members",
    members: 3,
    boundMs: 2 * AFTER_LOSS_MS,
    async round(stage) {
      const member = await stage.raftLeader();
      await member.stop("SIGKILL");
      await stage.settle();
      await member.start();
      await stage.settle();
    },
  },
  {
    name: "raft leader frozen (3 members)",
    group: "members",
    members: 3,
    boundMs: 2 * AFTER_LOSS_MS,
    async round(stage) {
      const member = await stage.raftLeader();
      member.signal("SIGSTOP");
      await stage.settle();
      await sleep(TTL * 1000);
      stage.thaw(member);
      await stage.settle();
    },
  },
  {
    name: "raft leader frozen and thawed, which revokes leases that were renewed (3 members)",
    group: "thaw",
    members: 3,
    boundMs: 2 * AFTER_LOSS_MS,
    round: thawedRaftLeader,
  },
  {
    name: "the same, with members whose election timeouts differ (3 members)",
    group: "thaw",
    members: 3,
    boundMs: 4 * AFTER_LOSS_MS,
    // A member grants no TTL below one and a half of its election timeout.
    etcdFlags: [1000, 2000, 4000].map((ms) => ["--election-timeout", String(ms)]),
    round: thawedRaftLeader,
  },
  {
    name: "raft leader cut off from the other members (3 members)",
    group: "quorum",
    members: 3,
    boundMs: 6 * AFTER_LOSS_MS,
    async round(stage) {
      const isolated = await stage.raftLeader();
      stage.isolate(isolated);
      await sleep(2 * TTL * 1000);
      await stage.settle();
      if (await stage.raftLeader() === isolated) stage.referee.violations.push("the raft leader was not cut off");
      stage.rejoin();
      await stage.settle();
    },
  },
  {
    name: "the leader's member cut off from the others (3 members)",
    group: "quorum",
    members: 3,
    boundMs: 6 * AFTER_LOSS_MS,
    async round(stage) {
      const leader = await stage.settle();
      stage.isolate(stage.serving(leader));
      await sleep(2 * TTL * 1000);
      await stage.settle();
      stage.rejoin();
      await stage.settle();
    },
  },
  {
    name: "two members frozen: no quorum, then healed (3 members)",
    group: "quorum",
    members: 3,
    boundMs: 6 * AFTER_LOSS_MS,
    async round(stage) {
      const frozen = stage.etcds.slice(1);
      for (const member of frozen) member.signal("SIGSTOP");
      await sleep(2 * TTL * 1000);
      for (const member of frozen) stage.thaw(member);
      await stage.settle();
    },
  },
  {
    name: "rolling restart of all members (3 members)",
    group: "members",
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
  {
    name: "fenced writes: leader frozen, killed, cut off, deposed",
    group: "writes",
    members: 1,
    boundMs: 2 * AFTER_LOSS_MS,
    async round(stage) {
      await faultsOfWriters(stage);
      await stage.settle();
    },
  },
  {
    name: "all of it at random, several at once (3 members)",
    group: "mix",
    members: 3,
    boundMs: 10 * AFTER_LOSS_MS,
    async round(stage) {
      await using writers = new Writers(stage.etcds);
      await writers.next();
      await randomFaults(stage, 3 * SPELL_MS);
      await stage.settle();
      await writers.next();
      await writers.look();
      stage.referee.violations.push(...writers.violations());
    },
  },
];

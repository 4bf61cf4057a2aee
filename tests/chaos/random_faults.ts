import type { LocalEtcd } from "../../dev/local_etcd.ts";
import type { TestNode } from "../support/node.ts";
import { sleep } from "./sleep.ts";
import type { Testbed } from "./stage.ts";

function pick<T>(choices: readonly T[]): T {
  return choices[Math.floor(Math.random() * choices.length)]!;
}

/** Faults that begin and end on their own, several at once, for about `ms`. */
export async function randomFaults(stage: Testbed, ms: number): Promise<void> {
  const until = performance.now() + ms;
  const frozen = new Set<TestNode | LocalEtcd>();
  const spell = () => sleep(Math.random() * ms / 3);

  /** Only one fault at a time stops the same process: what continues must not be what another has killed. */
  const alone = async <T extends TestNode | LocalEtcd>(one: T, fault: (one: T) => Promise<void>) => {
    if (frozen.has(one)) return await spell();
    frozen.add(one);
    await fault(one);
    frozen.delete(one);
  };

  const faults: (() => Promise<unknown>)[] = [
    async () => {
      const proxies = stage.proxies(pick(stage.nodes));
      for (const proxy of proxies) {
        proxy.stall(...pick([["to-server"], ["to-client"], ["to-server", "to-client"]] as const));
      }
      await spell();
      for (const proxy of proxies) proxy.heal();
    },
    async () => {
      const proxies = stage.proxies(pick(stage.nodes));
      for (const proxy of proxies) Object.assign(proxy, { delayMs: Math.random() * 200, bytesPerSecond: 10_000 });
      await spell();
      for (const proxy of proxies) proxy.heal();
    },
    async () => {
      for (const proxy of stage.proxies(pick(stage.nodes))) proxy.cut();
      await spell();
    },
    () =>
      alone(pick(stage.nodes), async (node) => {
        node.kill("SIGSTOP");
        stage.referee.froze(node);
        await spell();
        stage.referee.thawed(node);
        node.kill("SIGCONT");
      }),
    async () => {
      pick(stage.nodes).kill("SIGUSR1");
      await spell();
    },
    async () => {
      stage.isolate(pick(stage.etcds));
      await spell();
      stage.rejoin();
    },
    () =>
      alone(pick(stage.etcds), async (member) => {
        member.signal("SIGSTOP");
        await spell();
        stage.thaw(member);
      }),
    () =>
      alone(pick(stage.etcds), async (member) => {
        await member.stop("SIGKILL");
        await spell();
        await member.start();
      }),
  ];
  await Promise.all(Array.from({ length: 3 }, async () => {
    while (performance.now() < until) await pick(faults)();
  }));
}

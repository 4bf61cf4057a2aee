import { checkEtcdOptions } from "../../election/etcd/options.ts";
import { EtcdLink } from "../../election/etcd/link.ts";
import { EtcdStore } from "../../election/etcd/store.ts";
import { transport } from "../support/transport.ts";

/** So many processes that do nothing but compute. */
export function busyCores(count: number): AsyncDisposable {
  const loops = Array.from(
    { length: count },
    () => new Deno.Command("sh", { args: ["-c", "while :; do :; done"], stdin: "null" }).spawn(),
  );
  return {
    async [Symbol.asyncDispose]() {
      for (const loop of loops) loop.kill("SIGKILL");
      await Promise.all(loops.map(({ status }) => status));
    },
  };
}

const WORKERS = 8;

/** Candidates that come and go, `perSecond` of them for `ms`, in the election that the nodes stand in. */
export async function unrulyNeighbour(endpoint: string, perSecond: number, ms: number): Promise<void> {
  const prefix = "leader-node/";
  const link = new EtcdLink(checkEtcdOptions({ endpoints: [endpoint], transport }));
  const store = new EtcdStore({ prefix, self: { id: "neighbour" }, ttlMs: 5000 }, link);
  const startedAt = performance.now();
  const rounds = ms / 1000 * perSecond / WORKERS;
  const work = async () => {
    for (let round = 0; round < rounds; round++) {
      const { leaseId } = await store.grant(5000, 1000);
      const key = prefix + leaseId.toString(16);
      const { token } = await store.enqueue(key, leaseId, 1000);
      await store.withdraw(key, token, 1000);
      await store.revoke(leaseId, 1000);
      const early = startedAt + (round + 1) * 1000 * WORKERS / perSecond - performance.now();
      if (early > 0) await new Promise((resolve) => setTimeout(resolve, early));
    }
  };
  try {
    await Promise.all(Array.from({ length: WORKERS }, work));
  } finally {
    await link.close();
  }
}

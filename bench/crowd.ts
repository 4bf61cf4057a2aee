/** Many candidates in one election, in one process: the head resigns, the next leads, and all know. */
import { LocalEtcd } from "../dev/local_etcd.ts";
import { Connection, Election } from "../election/mod.ts";
import { quantile } from "./samples.ts";

const HANDOFFS = 15;

async function measure(count: number): Promise<string> {
  await using etcd = await LocalEtcd.start();
  await using connection = new Connection({ endpoints: [etcd.endpoint] });
  const join = (index: number) => new Election({ name: "crowd", connection, ttl: 60, candidate: { id: `c${index}` } });
  const began = performance.now();
  const elections = Array.from({ length: count }, (_, index) => join(index));
  /** Resolves when the election knows a leader whose token is greater. */
  const knows = async (election: Election, token: bigint) => {
    for await (const { leader } of election) if (leader && leader.token > token) return;
  };
  await Promise.all(elections.map((election) => knows(election, 0n)));
  const joinMs = performance.now() - began;
  const [leads, all]: [number[], number[]] = [[], []];
  for (let round = 0; round < HANDOFFS; round++) {
    const head = elections.find(({ state }) => state.role === "leader")!;
    const { token } = head.state.leader!;
    const from = performance.now();
    const next = Promise.any(
      elections.filter((one) => one !== head).map(async (election) => {
        for await (const state of election) if (state.role === "leader" && state.term.token > token) return;
      }),
    );
    const told = Promise.all(elections.map((election) => knows(election, token)));
    head.resign();
    await next;
    leads.push(performance.now() - from);
    await told;
    all.push(performance.now() - from);
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  await Promise.all(elections.map((election) => election.stop()));
  return `| ${[count, joinMs, quantile(leads, 0.5), quantile(all, 0.5)].map((ms) => ms.toFixed(0)).join(" | ")} |`;
}

if (import.meta.main) {
  console.log("| candidates | all have joined, ms | next leads, ms | all know, ms |\n| ---: | ---: | ---: | ---: |");
  for (const count of Deno.args.length > 0 ? Deno.args.map(Number) : [3, 10, 100, 300]) {
    console.log(await measure(count));
  }
}

import type { LocalEtcd } from "../../dev/local_etcd.ts";
import { Election, type ElectionEvent, type ElectionOptions } from "../../election/mod.ts";
import { transport } from "./transport.ts";
import { isLeader, within } from "./until.ts";

/** A candidate of the test's etcd, with a way to wait for what it sees in the queue. */
export class Candidate extends Election {
  readonly #seen: EventTarget;

  constructor(etcd: LocalEtcd, id: string, options: Partial<ElectionOptions> = {}) {
    const seen = new EventTarget();
    const candidate = { id, url: `http://localhost/${id}` };
    const onEvent = (event: ElectionEvent) => {
      if (event.type === "queue-changed") queueMicrotask(() => seen.dispatchEvent(new Event(event.type)));
      return options.onEvent?.(event);
    };
    super({ name: "jobs", endpoints: [etcd.endpoint], transport, candidate, ...options, onEvent });
    this.#seen = seen;
  }

  get queue(): string {
    return this.status.queue.map(({ id }) => id).join();
  }

  /** Resolves when the queue is as wanted, the ids with commas between. */
  async sees(wanted: RegExp): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const check = () => wanted.test(this.queue) && resolve();
    this.#seen.addEventListener("queue-changed", check);
    check();
    try {
      await within(10_000, `a queue like ${wanted}`, promise);
    } finally {
      this.#seen.removeEventListener("queue-changed", check);
    }
  }
}

/** Joins in this order of the queue: each stands in it before the next one comes. */
export async function joinInOrder(etcd: LocalEtcd, ...ids: string[]): Promise<Candidate[]> {
  const elections: Candidate[] = [];
  for (const id of ids) {
    const election = new Candidate(etcd, id);
    elections.push(election);
    await election.sees(new RegExp(`${id}$`));
  }
  return elections;
}

/** Resolves with the leader once one of them leads and all others follow it. */
export async function agree(candidates: readonly Candidate[]): Promise<Candidate> {
  const agreed = Promise.withResolvers<Candidate>();
  const iterators = candidates.map((candidate) => candidate[Symbol.asyncIterator]());
  const look = async (changes: typeof iterators[number]) => {
    while (!(await changes.next()).done) {
      const [leader, ...more] = candidates.filter(({ state }) => isLeader(state));
      const ids = new Set(candidates.map(({ state }) => state.leader?.id));
      if (leader && more.length === 0 && ids.size === 1) agreed.resolve(leader);
    }
  };
  const looking = iterators.map(look);
  try {
    return await within(10_000, "all to agree on a leader", agreed.promise);
  } finally {
    await Promise.all(iterators.map((changes) => changes.return?.()));
    await Promise.all(looking);
  }
}

/** Stops them all. */
export async function stopAll(elections: Candidate[]): Promise<void> {
  await Promise.all(elections.map((election) => election.stop()));
}

import type { LocalEtcd } from "../../dev/local_etcd.ts";
import { Election, type ElectionEvent, type ElectionOptions } from "../../election/mod.ts";
import { within } from "./until.ts";
import { transport } from "./transport.ts";

/** A candidate of the test's etcd, with a way to wait for what it sees in the queue. */
export class Candidate extends Election {
  readonly #seen: EventTarget;

  constructor(etcd: LocalEtcd, id: string, options: Partial<ElectionOptions> = {}) {
    const seen = new EventTarget();
    const candidate = { id, url: `http://localhost/${id}` };
    const onEvent = (event: ElectionEvent) => {
      options.onEvent?.(event);
      if (event.type === "queue-changed") seen.dispatchEvent(new Event(event.type));
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

/** Stops them all. */
export async function stopAll(elections: Candidate[]): Promise<void> {
  await Promise.all(elections.map((election) => election.stop()));
}

import { type ElectionStatus, type ElectionView, observe } from "../../election/mod.ts";
import type { EtcdConfig } from "../etcd_flags.ts";
import { AskError } from "./ask.ts";

/** How long etcd has to tell who is in the queue. */
const PATIENCE_MS = 3000;

/**
 * The election as etcd tells it.
 *
 * @throws {AskError} If etcd does not.
 */
export async function readQueue(config: EtcdConfig): Promise<ElectionStatus> {
  const { value } = await watchQueue(config).next();
  return value!;
}

/**
 * The election as etcd tells it, now and after each change, until the signal. While etcd is away, nothing comes.
 *
 * @throws {AskError} If etcd does not tell in the beginning.
 */
export async function* watchQueue(config: EtcdConfig, signal?: AbortSignal): AsyncGenerator<ElectionStatus, undefined> {
  const { election: name, etcd } = config;
  let changed = Promise.withResolvers<void>();
  await using election = observe({
    name,
    ...etcd,
    onEvent: ({ type }) => {
      if (type === "queue-changed") changed.resolve();
    },
  });
  signal?.addEventListener("abort", () => changed.resolve());
  await known(election);
  while (!signal?.aborted) {
    changed = Promise.withResolvers();
    yield election.status;
    await changed.promise;
  }
}

async function known(election: ElectionView): Promise<void> {
  const timer = setTimeout(() => election.stop(), PATIENCE_MS);
  let trouble: string | undefined;
  try {
    for await (const { role } of election) {
      if (role === "follower") return;
      trouble = election.status.etcdError;
    }
  } finally {
    clearTimeout(timer);
  }
  throw new AskError(trouble ?? election.status.etcdError ?? "etcd does not answer");
}

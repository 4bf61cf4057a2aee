import {
  type ElectionStatus,
  type Observation,
  observe,
  type TlsOptions,
  type TransportName,
  type UserOptions,
} from "../../election/mod.ts";
import { AskError } from "./ask.ts";

/** Which election is meant, and how its etcd is reached. */
export interface Access {
  readonly election: string;
  readonly endpoints: string[];
  readonly transport: TransportName;
  readonly tls?: TlsOptions;
  readonly user?: UserOptions;
}

/** How long etcd has to tell who is in the queue. */
const PATIENCE_MS = 3000;

/**
 * The election as etcd tells it.
 *
 * @throws {AskError} If etcd does not.
 */
export async function readQueue(access: Access): Promise<ElectionStatus> {
  const { value } = await watchQueue(access).next();
  return value!;
}

/**
 * The election as etcd tells it, now and after each change, until the signal. While etcd is away, nothing comes.
 *
 * @throws {AskError} If etcd does not tell in the beginning.
 */
export async function* watchQueue(access: Access, signal?: AbortSignal): AsyncGenerator<ElectionStatus, undefined> {
  const { election: name, endpoints, transport, tls, user } = access;
  let changed = Promise.withResolvers<void>();
  await using election = observe({
    name,
    endpoints,
    transport,
    tls,
    user,
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

async function known(election: Observation): Promise<void> {
  const timer = setTimeout(() => election.stop(), PATIENCE_MS);
  let trouble: string | undefined;
  try {
    for await (const { role } of election) {
      if (role === "follower") return;
      trouble = election.status.trouble;
    }
  } finally {
    clearTimeout(timer);
  }
  throw new AskError(trouble ?? election.status.trouble ?? "etcd does not answer");
}

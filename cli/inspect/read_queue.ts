import { loadGrpcClient } from "../../election/internal.ts";
import { type ElectionStatus, type ElectionView, observe } from "../../election/mod.ts";
import { etcdOptions } from "../etcd_files.ts";
import type { EtcdConfig } from "../etcd_flags.ts";
import { AskError } from "./ask.ts";

/** How long to wait for etcd. */
const TIMEOUT_MS = 3000;

/**
 * Reads the election from etcd.
 *
 * @throws {AskError} If etcd does not answer in time.
 */
export async function readQueue(config: EtcdConfig): Promise<ElectionStatus> {
  const { value } = await watchQueue(config).next();
  return value!;
}

/**
 * Reads the election from etcd, now and after each change, until the signal. While etcd is unreachable, it waits.
 *
 * @throws {AskError} If etcd does not answer the first read in time.
 */
export async function* watchQueue(config: EtcdConfig, signal?: AbortSignal): AsyncGenerator<ElectionStatus, undefined> {
  const { election: name, etcd } = config;
  // It takes a while on a busy machine, which is not etcd's fault.
  if (etcd.transport === "grpc") await loadGrpcClient();
  let changed = Promise.withResolvers<void>();
  await using election = observe({
    name,
    ...etcdOptions(etcd),
    onEvent: ({ type }) => {
      if (type === "queue-changed") changed.resolve();
    },
  });
  signal?.addEventListener("abort", () => changed.resolve());
  await firstRead(election);
  while (!signal?.aborted) {
    changed = Promise.withResolvers();
    yield election.status;
    await changed.promise;
  }
}

async function firstRead(election: ElectionView): Promise<void> {
  const timer = setTimeout(() => election.stop(), TIMEOUT_MS);
  let problem: string | undefined;
  try {
    for await (const { role } of election) {
      if (role === "follower") return;
      problem = election.status.etcdError;
    }
  } finally {
    clearTimeout(timer);
  }
  throw new AskError(problem ?? election.status.etcdError ?? "etcd does not answer");
}

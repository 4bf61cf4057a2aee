import type { ElectionEvent, ElectionView, Queue } from "../election/mod.ts";
import type { Refusal } from "../supervise/process_tree.ts";
import type { Log } from "../supervise/log.ts";

/** Writes a line for each change of the role, until the election is stopped. */
export async function logStates(election: ElectionView, log: Log): Promise<void> {
  let began = false;
  for await (const state of election) {
    if (state.role === "leader") {
      const { signal, token } = state.term;
      log("info", "leading", { token });
      signal.addEventListener("abort", () => log("info", "term-ended", { token, reason: signal.reason.reason }));
    } else if (state.role === "follower") {
      const { leader } = state;
      if (leader) log("info", "following", { leader: leader.id, url: leader.url, token: leader.token });
      else log("info", "no-leader");
    } else {
      // At the start that is no news.
      log(began ? "info" : "debug", state.role);
    }
    began = true;
  }
}

/** Writes a line for what is worth one. */
export function logEvent(event: ElectionEvent, log: Log): void {
  switch (event.type) {
    case "lease-granted": {
      const [granted, requested] = [event.ttlMs / 1000, event.requestedTtlMs / 1000];
      log("debug", event.type, { lease: event.leaseId.toString(16), ttl: granted });
      if (granted !== requested) {
        log("warn", "ttl-raised", { requested, granted, message: "etcd grants no shorter TTL" });
      }
      break;
    }
    case "queued":
      log("debug", event.type, { key: event.key, token: event.token });
      break;
    case "queue-changed":
      log("debug", event.type, { candidates: event.queue.length });
      break;
    case "etcd-data-lost":
      log("error", event.type, {
        token: event.token,
        revision: event.revision,
        message: "etcd's revision is lower than this candidate's key: its data was lost or restored; joining anew",
      });
      break;
    case "etcd-failing":
      log("warn", event.type, { message: `${event.message}; trying again until it answers` });
      break;
    case "etcd-answers":
      log("info", event.type);
      break;
  }
}

/** Writes a line for each process that this user may not end. */
export function logRefusals(refusals: readonly Refusal[], log: Log): void {
  for (const { pid, user, command } of refusals) {
    const message = "this user may not end it; the lead is kept until it has ended";
    log("error", "command-not-killable", { pid, user, command, message });
  }
}

/** Warns once when another node has this one's name. */
export class DuplicateIdCheck {
  readonly #id: string;
  readonly #url: string;
  #told = false;

  constructor(id: string, url: string) {
    this.#id = id;
    this.#url = url;
  }

  seen(queue: Queue, log: Log): void {
    const other = queue.find(({ id, url }) => id === this.#id && url !== this.#url);
    if (!other || this.#told) return;
    this.#told = true;
    log("warn", "id-taken", { url: other.url, message: "another node has the same id: give each its own --id" });
  }
}

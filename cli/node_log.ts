import { endReason, look, missingPermission } from "../election/internal.ts";
import type { ElectionEvent, ElectionView, Term } from "../election/mod.ts";
import type { Refusal } from "../supervise/process_tree.ts";
import type { Log, LogFields } from "../supervise/log.ts";

const REFUSALS_EVERY_MS = 1000;

/** Logs each change of the role, until the election is stopped. */
export async function logStates(election: ElectionView, log: Log): Promise<void> {
  let started = false;
  let last: Term | undefined;
  for await (const state of look(election)) {
    const term = state.role === "leader" ? state.term : undefined;
    if (last && last !== term) log("info", "term-ended", { token: last.token, reason: endReason(last) });
    last = term;
    if (term) log("info", "leading", { token: term.token });
    else if (state.role === "follower") {
      const { leader } = state;
      if (leader) log("info", "following", { leader: leader.id, url: leader.url, token: leader.token });
      else log("info", "no-leader");
    } else {
      // At the start this is expected.
      log(started ? "info" : "debug", state.role);
    }
    started = true;
  }
}

/** Logs the events of an election that users care about. */
export function logEvent(event: ElectionEvent, log: Log): void {
  switch (event.type) {
    case "lease-granted": {
      const [granted, requested] = [event.ttlMs / 1000, event.requestedTtlMs / 1000];
      log("debug", event.type, { lease: event.leaseId.toString(16), ttl: granted });
      if (granted !== requested) {
        log("warn", "ttl-raised", { requested, granted, message: "this is the minimum TTL of etcd" });
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
    case "id-taken":
      log("error", "id-taken", {
        url: event.candidate.url,
        token: event.candidate.token,
        message: "another node has the same id; give each node its own --id",
      });
      break;
    case "etcd-failing":
      if (missingPermission(event.message)) log("error", event.type, { message: event.message });
      else log("warn", event.type, { message: `${event.message}; retrying until it answers` });
      break;
    case "etcd-answers":
      log("info", event.type);
      break;
  }
}

/** Logs each process that may not be killed. */
export function logRefusals(refusals: readonly Refusal[], log: Log): void {
  for (const { pid, user, command } of refusals) {
    const message = "not permitted to end this process; leadership is kept until it has ended";
    log("error", "command-not-killable", { pid, user, command, message });
  }
}

/** Logs requests with a wrong control token: one in a second, with the number of those since the last line. */
export function logControlRefusals(log: Log, now = () => performance.now()): (fields: LogFields) => void {
  let [loggedAt, attempts] = [-Infinity, 0];
  return (fields) => {
    attempts++;
    if (now() - loggedAt < REFUSALS_EVERY_MS) return;
    log("warn", "control-refused", { ...fields, attempts });
    [loggedAt, attempts] = [now(), 0];
  };
}

import { campaign, holds, reportFailure } from "./campaign.ts";
import type { ElectionOptions } from "./options.ts";
import { checkNames } from "./option_shape.ts";
import { Participant } from "./participant.ts";
import { checkWait } from "./ready.ts";
import { rehearsing } from "./rehearsal.ts";
import { callSafely } from "./report.ts";
import type { Leader, RoleState } from "./state.ts";
import type { Term } from "./term.ts";
import { checkFunction } from "./while_leader.ts";

/** What {@linkcode lead} calls. */
export interface LeadCallbacks {
  /** A term has begun. It may return at once, or when all its work has ended. */
  onStarted(term: Term): void | Promise<void>;
  /**
   * A term has ended, and `onStarted` has too. Leadership is handed over when this has ended, and no new term begins
   * before: stop here what `onStarted` started, within `term.stopWithin()` milliseconds.
   */
  onStopped?(term: Term): void | Promise<void>;
  /**
   * Another leader than before: this node, another one, or none that is known. Nothing waits for it, and what it throws
   * is written to `console.error`.
   */
  onNewLeader?(leader: Leader | undefined): void;
}

/**
 * Takes part in an election with callbacks, for services that are started and stopped. Unlike with an event emitter,
 * `onStopped` may take its time: the next leader starts when it has ended.
 *
 * @param options The election's name, how to connect to etcd, and the candidate's description.
 * @param callbacks What to call.
 * @param options2.signal Ends it: the promise resolves when the service is stopped and leadership given up.
 * @returns A promise that resolves after `signal` has fired: at once if it had fired before, else see
 *   {@linkcode WaitOptions}.
 * @throws {SetupError} If this process can never reach etcd, as for want of a permission of Deno.
 * @throws {InvalidOptionError} If an option is invalid; the message names it and the valid values.
 * @throws What `onStopped` throws, or `onStarted` while its term holds. Leadership is given up then, and `onStopped` was
 *   called.
 *
 * @example
 * ```ts
 * import { lead } from "./mod.ts";
 *
 * const shutdown = new AbortController();
 * let timer: ReturnType<typeof setInterval> | undefined;
 * await lead({ name: "jobs", candidate: { id: "worker-1" } }, {
 *   onStarted({ token }) {
 *     timer = setInterval(() => console.log(`works with token ${token}`), 1000);
 *     setTimeout(() => shutdown.abort(), 10); // As a handler of SIGTERM does.
 *   },
 *   onStopped() {
 *     clearInterval(timer);
 *   },
 *   onNewLeader: (leader) => console.log(leader?.id ?? "nobody leads"),
 * }, { signal: shutdown.signal });
 * ```
 */
export async function lead(
  options: ElectionOptions,
  callbacks: LeadCallbacks,
  { signal }: { signal?: AbortSignal } = {},
): Promise<void> {
  checkNames(callbacks, ["onStarted", "onStopped", "onNewLeader"]);
  checkFunction("onStarted", callbacks.onStarted);
  checkWait({ signal });
  if (signal?.aborted) return;
  const participant = Participant.join(options, true);
  await rehearsing(leadWith(participant, callbacks, signal));
}

/** {@linkcode lead} with a participant. */
export async function leadWith(
  participant: Participant,
  callbacks: LeadCallbacks,
  signal?: AbortSignal,
): Promise<void> {
  const states = participant.look();
  const following = callbacks.onNewLeader &&
    follow(states, (leader) => callSafely("onNewLeader", () => callbacks.onNewLeader!(leader)));
  const failures: unknown[] = [];
  try {
    await campaign(participant, async (term) => {
      failures.push(...await serve(participant, term, callbacks));
      if (failures.length > 0) participant.stop();
    }, { signal, again: true });
  } catch (error) {
    if (failures.length === 0 && !signal?.aborted) throw error;
  } finally {
    await states.return!();
    await following;
  }
  if (failures.length > 0) throw failures[0];
}

/** Calls both callbacks for a term; returns what they threw that must not be passed over. */
async function serve(participant: Participant, term: Term, callbacks: LeadCallbacks): Promise<unknown[]> {
  const failures: unknown[] = [];
  try {
    await callbacks.onStarted(term);
    await ended(term.signal);
  } catch (error) {
    if (!holds(term)) reportFailure(participant, term, error);
    else {
      failures.push(error);
      // What was started listens to the signal.
      participant.stop();
    }
  }
  try {
    await callbacks.onStopped?.(term);
  } catch (error) {
    if (failures.length === 0) failures.push(error);
    else reportFailure(participant, term, error);
  }
  return failures;
}

/** Resolves when a signal has fired. */
function ended(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

/** Tells of each change of the leader. */
async function follow(states: AsyncIterable<RoleState>, changed: (leader: Leader | undefined) => void): Promise<void> {
  let last: Leader | undefined;
  for await (const { role, leader } of states) {
    if (role === "stopped" || (leader?.token === last?.token && leader?.id === last?.id)) continue;
    last = leader;
    changed(leader);
  }
}

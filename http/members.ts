import type { Candidate, ElectionStatus, Queue } from "../election/mod.ts";
import { leftoverProblem } from "./leftover.ts";

/** How many candidates an answer shows, from the first on; the leader and this node itself come on top. */
const MAX_SHOWN = 100;

/** The candidates that an answer shows. */
export interface ShownMembers {
  readonly members: readonly Record<string, unknown>[];
  /** The number of candidates in the queue. */
  readonly total: number;
  /** How many of them are not shown. */
  readonly omitted: number;
}

/** What was made for a queue: the same for all that ask until it changes. */
interface Made {
  readonly leader: bigint | undefined;
  readonly lease: string | undefined;
  /** JSON without the braces. */
  readonly json: string;
}

const made = new WeakMap<Queue, Made>();

/** The fields of the members in `/members` and `/events`, without the braces; made once for each queue. */
export function membersFields(status: ElectionStatus): string {
  const { queue, lease } = status;
  const leader = status.state.leader?.token;
  const before = made.get(queue);
  if (before && before.leader === leader && before.lease === lease?.id) return before.json;
  const json = JSON.stringify(shownMembers(status)).slice(1, -1);
  made.set(queue, { leader, lease: lease?.id, json });
  return json;
}

/** The first hundred of the queue, and always the leader and this node itself. */
export function shownMembers(status: ElectionStatus): ShownMembers {
  const { queue, lease } = status;
  const leads = leaderOf(status);
  const own = lease && queue.findIndex(({ key }) => key.endsWith(`/${lease.id}`));
  const places = new Set(queue.slice(0, MAX_SHOWN).keys());
  for (const index of [leads, own]) if (index !== undefined && index >= 0) places.add(index);
  const shown = [...places].toSorted((a, b) => a - b);
  const members = shown.map((index) => memberBody(queue[index]!, index + 1, index === leads));
  return { members, total: queue.length, omitted: queue.length - members.length };
}

/** The index of the leader in the queue; -1 without one. */
export function leaderOf({ queue, state: { leader } }: ElectionStatus): number {
  // Keys that one transaction created share a token; the first of them leads.
  return leader ? queue.findIndex(({ token }) => token === leader.token) : -1;
}

/** A candidate, as answers describe it. */
export function memberBody(candidate: Candidate, place: number, leads: boolean): Record<string, unknown> {
  const { id, url, token, since, priority } = candidate;
  return {
    place,
    id,
    url: url ?? null,
    token: Number(token),
    role: leads ? "leader" : "candidate",
    since: since?.toISOString() ?? null,
    priority: priority ?? null,
    problem: leftoverProblem(candidate) ?? null,
  };
}

import type { Candidate, ElectionStatus, Queue } from "../election/mod.ts";
import { leftoverProblem } from "./leftover.ts";

/** How many candidates an answer shows, from the first on; the leader and this node itself come on top. */
const MAX_SHOWN = 100;

/** How long the meta of a candidate may be, as JSON, to be shown: no longer than the library takes. */
const MAX_META = 4096;

/** How long those of all candidates in an answer may be together. */
const MAX_METAS = 16 * MAX_META;

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
  let left = MAX_METAS;
  const members = shown.map((index) => {
    const member = memberBody(queue[index]!, index + 1, index === leads);
    if (member.meta) left -= JSON.stringify(member.meta).length;
    return left < 0 ? { ...member, meta: null } : member;
  });
  return { members, total: queue.length, omitted: queue.length - members.length };
}

/** The index of the leader in the queue; -1 without one. */
export function leaderOf({ queue, state: { leader } }: ElectionStatus): number {
  // Keys that one transaction created share a token; the first of them leads.
  return leader ? queue.findIndex(({ token }) => token === leader.token) : -1;
}

/** What a candidate says about itself, unless that is too long. */
export function shownMeta(meta: Candidate["meta"]): Candidate["meta"] | null {
  return meta && JSON.stringify(meta).length <= MAX_META ? meta : null;
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
    meta: shownMeta(candidate.meta),
    problem: leftoverProblem(candidate) ?? null,
  };
}

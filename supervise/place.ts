import { type Handoff, planHandoff, type Queue } from "../election/internal.ts";
import type { KeyFacts, PlaceMessage } from "./watchdog_messages.ts";

/** What a watchdog must know to hand over for its node, which has this key, if that node dies. */
export function placeMessage({ key, token }: KeyFacts, queue: Queue): PlaceMessage {
  const own = BigInt(token);
  const handoff = queue[0]?.token === own ? planHandoff(queue, own) : undefined;
  if (!handoff) return { type: "place", key, token };
  const { id, url, priority, since, meta } = handoff.to;
  return {
    type: "place",
    key,
    token,
    to: { ...keyFacts(handoff.to), id, url, priority, since: since?.getTime(), meta },
    passed: handoff.passed.map(keyFacts),
  };
}

/** The handoff that such a message plans, if any. */
export function handoffOf({ to, passed = [] }: PlaceMessage): Handoff | undefined {
  if (!to) return undefined;
  const since = to.since === undefined ? undefined : new Date(to.since);
  return {
    to: { ...to, token: BigInt(to.token), since },
    passed: passed.map(({ key, token }) => ({ key, token: BigInt(token), id: key })),
  };
}

function keyFacts({ key, token }: Queue[number]): KeyFacts {
  return { key, token: String(token) };
}

import { type Handoff, planHandoff, type Queue } from "../election/internal.ts";
import type { WatchdogMessage } from "./watchdog_messages.ts";

type NextMessage = WatchdogMessage & { type: "next" };

/** What a watchdog must know to hand over for its node, whose key has this token, if that node dies. */
export function nextMessage(queue: Queue, token: bigint): NextMessage {
  const handoff = queue[0]?.token === token ? planHandoff(queue, token) : undefined;
  if (!handoff) return { type: "next" };
  const { key, token: itsToken, id, url, priority, since } = handoff.to;
  return {
    type: "next",
    to: { key, token: String(itsToken), id, url, priority, since: since?.getTime() },
    passed: handoff.passed.map(({ key, token }) => ({ key, token: String(token) })),
  };
}

/** The handoff that such a message plans, if any. */
export function handoffOf({ to, passed = [] }: NextMessage): Handoff | undefined {
  if (!to) return undefined;
  const since = to.since === undefined ? undefined : new Date(to.since);
  return {
    to: { ...to, token: BigInt(to.token), since },
    passed: passed.map(({ key, token }) => ({ key, token: BigInt(token), id: key })),
  };
}

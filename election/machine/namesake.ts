import { keyOf, leaseOf } from "./queries.ts";
import type { Candidate } from "./queue.ts";
import type { Core, Namesake } from "./types.ts";

/** etcd revokes expired leases late, by half a second or more. */
const EXPIRY_SLACK_MS = 1000;

/**
 * Watches the first other candidate with our id. One with our URL too may be a predecessor, whose key will expire: it
 * is another node if etcd still has its key after a TTL. One with another URL is another node at once.
 */
export function trackNamesake(before: Core, core: Core): Core {
  const { view, settings: { candidate, self, ttlMs } } = core;
  if (!candidate || !view) return core;
  const own = ownKey(core);
  const changed = view.queue !== before.view?.queue || own !== ownKey(before);
  const found = changed ? view.queue.find(({ id, key }) => id === self.id && key !== own) : core.namesake?.candidate;
  const namesake = found && seen(core.namesake, found, view.contact.monotonic);
  if (!namesake) return { ...core, namesake: undefined };
  const limit = Math.max(ttlMs, leaseOf(core)?.grantedMs ?? ttlMs) + EXPIRY_SLACK_MS;
  const lives = namesake.lives || found.url !== self.url || view.contact.monotonic - namesake.since > limit;
  return { ...core, namesake: { ...namesake, lives } };
}

function seen(known: Namesake | undefined, candidate: Candidate, now: number): Namesake {
  const same = known?.candidate.key === candidate.key && known.candidate.token === candidate.token;
  return same ? { ...known, candidate } : { candidate, since: now, lives: false };
}

function ownKey(core: Core): string | undefined {
  const lease = leaseOf(core);
  return lease && keyOf(core, lease.id);
}

import type { Instant } from "./clock.ts";
import { claims } from "./queries.ts";
import { closeWatch } from "./transitions.ts";
import type { Core, View, WatchNotice } from "./types.ts";

/** Records a notice of the watch. */
export function recordNotice(core: Core, generation: number, notice: WatchNotice, now: Instant): Core {
  const { watch, view } = core;
  if (!watch.open || watch.generation !== generation) return core;
  switch (notice.type) {
    case "listed":
      return withView(
        core,
        { queue: notice.queue, revision: notice.revision, contact: notice.sentAt, generation },
        now,
      );
    case "changed":
      if (!view) return core;
      return withView(
        core,
        { ...view, queue: notice.queue, revision: notice.revision, more: notice.more },
        now,
      );
    case "alive":
      if (!view) return core;
      return { ...core, view: { ...view, contact: notice.sentAt }, watch: { ...watch, failures: 0 } };
    case "lost":
      return askAtOnce(closeWatch(core, now), now);
  }
}

/** Sends a guard at once if this candidate may lead: without the watch, only that can tell that the key is gone. */
function askAtOnce(core: Core, now: Instant): Core {
  const { campaign } = core;
  if (campaign.stage !== "queued" || !claims(core) || campaign.guard === "sent") return core;
  return { ...core, campaign: { ...campaign, guard: { since: now, afterMs: 0 } } };
}

function withView(core: Core, view: View, now: Instant): Core {
  const before = core.view?.queue[0];
  const first = view.queue[0];
  const isSame = first !== undefined && first.key === before?.key && first.token === before.token;
  const firstSince = first === undefined ? undefined : isSame ? core.view?.firstSince : core.view
    ? now.wall
    // The first view: it cannot have led before it joined the queue.
    : first.since?.getTime();
  const handedOver = isSame ? core.view?.handedOver : before !== undefined && first?.after?.token === before.token;
  return { ...core, view: { ...view, firstSince, handedOver } };
}

/**
 * The decisions of an election, without I/O: `step` takes what happened and the time, and gives the
 * next state and what is to be done. Every event is first recorded as a fact; then the same rules
 * look at all facts and the clock, so that no order of events needs a rule of its own.
 */
import { elapsed, type Instant } from "./clock.ts";
import { callTimeoutMs, defaultStopBudgetMs, remaining, RENEW_RETRY_MS, renewEveryMs } from "./deadline.ts";
import type { TermEndReason } from "./errors.ts";
import {
  type Candidate,
  type Handoff,
  isQueued,
  type LeaveReason,
  planHandoff,
  type Queue,
  type Self,
} from "./queue.ts";
import type { StoreFailure, WatchNotice } from "./store.ts";

/** What is fixed for one node in one election. */
export interface Settings {
  /** False for one who only observes. */
  readonly candidate: boolean;
  /** Who this node is. */
  readonly self: Self;
  /** The election's prefix in etcd, with its last `/`. */
  readonly prefix: string;
  /** The TTL to ask for. */
  readonly ttlMs: number;
  /** Time between a term's signal and the end of its lease; a tenth of the granted TTL if not set. */
  readonly stopBudgetMs?: number;
}

/** A moment to come: `afterMs` after `since`. */
interface Due {
  readonly since: Instant;
  readonly afterMs: number;
}

/** A repeated call to etcd: under way, or due some time. */
type Call = "sent" | Due;

interface Lease {
  readonly id: bigint;
  readonly ttlMs: number;
  /** Just before the last successful grant or renewal was sent. */
  readonly sentAt: Instant;
}

/** How far the candidate has come. One campaign is one lease and one key; neither is used again. */
export type Campaign =
  | { readonly stage: "idle"; readonly next: Due; readonly failures: number }
  | { readonly stage: "granting"; readonly failures: number }
  | { readonly stage: "enqueueing"; readonly lease: Lease; readonly call: Call }
  | {
    readonly stage: "queued";
    readonly lease: Lease;
    readonly token: bigint;
    /** When it was there. */
    readonly since: Instant;
    readonly renewal: Call;
    readonly guard: Call;
    /** Just before the last guard was sent that found our key there, and first. */
    readonly guardedAt?: Instant;
    /** When the first of the guards was sent that have not been answered. */
    readonly askedSince?: Instant;
  }
  /** Leaving: the key stays until the work of the term has ended, but no longer than a TTL after `since`. */
  | {
    readonly stage: "draining";
    readonly lease: Lease;
    readonly token: bigint;
    readonly since: Instant;
    readonly drained: boolean;
    /** Why, if it led. */
    readonly leaving?: LeaveReason;
    /** The token of the one who is to lead next, if somebody was named. */
    readonly to?: bigint;
  }
  | {
    readonly stage: "withdrawing";
    readonly lease: Lease;
    readonly token?: bigint;
    readonly leaving?: LeaveReason;
    readonly to?: bigint;
    readonly call: Call;
    readonly attempts: number;
  }
  | { readonly stage: "off" };

/** The queue as the watch tells it. */
export interface View {
  readonly queue: Queue;
  /** The highest revision that the queue is known to include. */
  readonly revision: bigint;
  /** The latest moment at which the queue was surely so. */
  readonly contact: Instant;
  /** The watch that told it. */
  readonly generation: number;
  /** Wall time at which the first of the queue was seen to become the first. */
  readonly firstSince?: number;
}

type Watch =
  | { readonly open: false; readonly next: Due; readonly failures: number; readonly generation: number }
  | { readonly open: true; readonly failures: number; readonly generation: number };

/** All that one node knows and wants. */
export interface Core {
  readonly settings: Settings;
  readonly stopping: boolean;
  readonly watch: Watch;
  readonly view?: View;
  readonly campaign: Campaign;
  /** The term in which this node leads. One object a term. */
  readonly term?: { readonly token: bigint; readonly since: Instant };
  /** Why the last term ended. */
  readonly ended?: TermEndReason;
}

/** What happened. */
export type Event =
  | { readonly type: "tick" }
  | { readonly type: "resign"; readonly to?: bigint }
  | { readonly type: "stop" }
  /** Nobody works any more for the term that ended. */
  | { readonly type: "drained"; readonly leaseId: bigint }
  | { readonly type: "watch"; readonly generation: number; readonly notice: WatchNotice }
  | { readonly type: "granted"; readonly sentAt: Instant; readonly leaseId: bigint; readonly ttlMs: number }
  | { readonly type: "grant-failed" }
  | { readonly type: "enqueued"; readonly leaseId: bigint; readonly token: bigint }
  | { readonly type: "enqueue-failed"; readonly leaseId: bigint; readonly failure: StoreFailure }
  | {
    readonly type: "renewed";
    readonly leaseId: bigint;
    readonly sentAt: Instant;
    readonly answer: { readonly leaseId: bigint; readonly ttlMs: number };
  }
  | { readonly type: "renew-failed"; readonly leaseId: bigint; readonly failure: StoreFailure }
  | {
    readonly type: "guarded";
    readonly leaseId: bigint;
    readonly sentAt: Instant;
    readonly answer: { readonly held: boolean; readonly first?: string };
  }
  | { readonly type: "guard-failed"; readonly leaseId: bigint }
  | { readonly type: "withdrawn"; readonly leaseId: bigint }
  | { readonly type: "withdraw-failed"; readonly leaseId: bigint };

/** What is to be done. Each answer comes back as an event, however late. */
export type Action =
  | { readonly type: "watch"; readonly generation: number }
  | { readonly type: "grant"; readonly ttlMs: number; readonly timeoutMs: number }
  | { readonly type: "enqueue"; readonly leaseId: bigint; readonly key: string; readonly timeoutMs: number }
  | { readonly type: "renew"; readonly leaseId: bigint; readonly timeoutMs: number }
  | {
    readonly type: "guard";
    readonly leaseId: bigint;
    readonly key: string;
    readonly token: bigint;
    readonly timeoutMs: number;
  }
  | { readonly type: "drain"; readonly leaseId: bigint }
  | {
    readonly type: "withdraw";
    readonly leaseId: bigint;
    readonly key: string;
    readonly token?: bigint;
    readonly leaving?: LeaveReason;
    readonly handoff?: Handoff;
    readonly timeoutMs: number;
  }
  | { readonly type: "revoke"; readonly leaseId: bigint; readonly timeoutMs: number };

const FIRST_RETRY_MS = 100;
const MAX_RETRY_MS = 1000;
const WITHDRAW_ATTEMPTS = 3;
/** How often a leader looks at the wall clock: a timer cannot know that the machine slept. */
const WALL_CHECK_MS = 100;

/** The state before anything happened. */
export function start(settings: Settings, now: Instant): Core {
  const next = { since: now, afterMs: 0 };
  return {
    settings,
    stopping: false,
    watch: { open: false, next, failures: 0, generation: 0 },
    campaign: settings.candidate ? { stage: "idle", next, failures: 0 } : { stage: "off" },
  };
}

/** One step: the next state, and what is to be done. */
export function step(core: Core, event: Event, now: Instant): { core: Core; actions: Action[] } {
  const actions: Action[] = [];
  const recorded = record(dropLapsed(core, now, actions), event, now, actions);
  return { core: decide(recorded, now, actions), actions };
}

/** Whether this node may say that it leads. The only place where that is decided. */
export function leads(core: Core, now: Instant): boolean {
  return core.term !== undefined && termRemaining(core, now) > stopBudgetMs(core);
}

/** Milliseconds for which the term's lease surely holds; 0 or less when it may have ended. */
export function termRemaining({ campaign }: Core, now: Instant): number {
  if (campaign.stage !== "queued" || campaign.guardedAt === undefined) return 0;
  // The renewal alone is not enough: old etcd servers renew leases that are revoked or that a newer
  // raft leader let expire. So a term lives from the older of its last renewal and its last guard.
  const { lease, guardedAt } = campaign;
  return Math.min(leaseRemaining(lease, now), remaining(guardedAt, lease.ttlMs, now));
}

/** Whether the queue is recent enough to name a leader. */
export function viewIsCurrent({ view, settings }: Core, now: Instant): boolean {
  return view !== undefined && elapsed(view.contact, now) <= settings.ttlMs;
}

/** The lease that the candidate holds, if any. */
export function leaseOf({ campaign }: Core): Lease | undefined {
  return "lease" in campaign ? campaign.lease : undefined;
}

/** The key of a lease in this election. */
export function keyOf({ settings }: Core, leaseId: bigint): string {
  return settings.prefix + leaseId.toString(16);
}

/**
 * The candidate that leads as far as the watch tells, if that is somebody else. A key of our own that
 * does not make us leader, such as the one that a crashed predecessor left, is nobody's lead.
 */
export function observedLeader({ view, settings: { candidate, self } }: Core): Candidate | undefined {
  const first = view?.queue[0];
  return candidate && first?.id === self.id && first.url === self.url ? undefined : first;
}

/** Whether the candidate is on its way out of the queue, and etcd has not failed to let it go several times. */
export function isLeaving({ campaign }: Core): boolean {
  return campaign.stage === "draining" ||
    (campaign.stage === "withdrawing" && (campaign.attempts < WITHDRAW_ATTEMPTS || campaign.call === "sent"));
}

/** Milliseconds until the next `tick` is needed. */
export function nextTickMs(core: Core, now: Instant): number {
  const waits: number[] = [];
  const wait = (call: Call) => call === "sent" || waits.push(call.afterMs - elapsed(call.since, now));
  const { campaign, watch, view } = core;
  if (!watch.open && !core.stopping) wait(watch.next);
  if (view && viewIsCurrent(core, now)) waits.push(core.settings.ttlMs - elapsed(view.contact, now) + 1);
  switch (campaign.stage) {
    case "idle":
      wait(campaign.next);
      break;
    case "queued":
      wait(campaign.renewal);
      waits.push(leaseRemaining(campaign.lease, now));
      if (contests(core)) wait(campaign.guard);
      if (core.term) waits.push(WALL_CHECK_MS, termRemaining(core, now) - stopBudgetMs(core));
      break;
    case "draining":
      waits.push(remaining(campaign.since, campaign.lease.ttlMs, now));
      break;
    case "enqueueing":
      waits.push(leaseRemaining(campaign.lease, now));
      wait(campaign.call);
      break;
    case "withdrawing":
      wait(campaign.call);
      break;
  }
  return Math.max(0, Math.min(...waits));
}

/**
 * Leaves the queue for the end of it if the lease may once have run out. etcd may have begun to revoke it then
 * and come to it only now, whatever it said of the lease or the key in between. Also if etcd renews the lease, but has
 * not answered a guard for a TTL: one who may not ask shall not be in the way of others.
 */
function dropLapsed(core: Core, now: Instant, actions: Action[]): Core {
  const { campaign } = core;
  if (campaign.stage !== "enqueueing" && campaign.stage !== "queued") return core;
  const { lease } = campaign;
  const asked = campaign.stage === "queued" ? campaign.askedSince : undefined;
  if (leaseRemaining(lease, now) > 0 && !(asked && elapsed(asked, now) > lease.ttlMs)) return core;
  if (campaign.stage === "enqueueing") return { ...core, campaign: withdrawing(lease, undefined, now) };
  actions.push({ type: "drain", leaseId: lease.id });
  return endTerm({ ...core, campaign: draining(lease, campaign.token, now) }, "expired");
}

function record(core: Core, event: Event, now: Instant, actions: Action[]): Core {
  const { campaign } = core;
  switch (event.type) {
    case "tick":
      return core;
    case "watch":
      return recordNotice(core, event.generation, event.notice, now);
    case "stop":
      return leave({ ...core, stopping: true }, "stopped", actions);
    case "resign":
      return core.term || isFirst(core) ? leave(core, "resigned", actions, event.to) : core;
    case "granted": {
      if (campaign.stage !== "granting") return core;
      const lease = { id: event.leaseId, ttlMs: event.ttlMs, sentAt: event.sentAt };
      return { ...core, campaign: { stage: "enqueueing", lease, call: { since: now, afterMs: 0 } } };
    }
    case "grant-failed":
      if (campaign.stage !== "granting") return core;
      return {
        ...core,
        campaign: {
          stage: "idle",
          next: { since: now, afterMs: backOffMs(campaign.failures) },
          failures: campaign.failures + 1,
        },
      };
  }
  // The rest answers a call for one lease; what comes for a former lease is of no interest.
  if (leaseOf(core)?.id !== event.leaseId) return core;
  if (campaign.stage === "enqueueing") return recordEnqueue(core, campaign, event, now);
  if (campaign.stage === "queued") return recordQueued(core, campaign, event, now, actions);
  if (campaign.stage === "draining" && event.type === "drained") {
    return { ...core, campaign: { ...campaign, drained: true } };
  }
  if (campaign.stage === "withdrawing") return recordWithdraw(core, campaign, event, now);
  return core;
}

function recordNotice(core: Core, generation: number, notice: WatchNotice, now: Instant): Core {
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
        { ...view, queue: notice.queue, revision: notice.revision },
        now,
      );
    case "alive":
      if (!view) return core;
      return { ...core, view: { ...view, contact: notice.sentAt }, watch: { ...watch, failures: 0 } };
    case "lost":
      return closeWatch(core, now);
  }
}

function withView(core: Core, view: View, now: Instant): Core {
  const before = core.view?.queue[0];
  const first = view.queue[0];
  const firstSince = first === undefined
    ? undefined
    : first.key === before?.key && first.token === before.token
    ? core.view?.firstSince
    : core.view
    ? now.wall
    // Seen for the first time: it cannot have led before it queued.
    : first.since?.getTime();
  return { ...core, view: { ...view, firstSince } };
}

function closeWatch(core: Core, now: Instant): Core {
  const { failures, generation } = core.watch;
  const next = { since: now, afterMs: backOffMs(failures) };
  return { ...core, watch: { open: false, next, failures: failures + 1, generation } };
}

function recordEnqueue(core: Core, campaign: Campaign & { stage: "enqueueing" }, event: Event, now: Instant): Core {
  if (event.type === "enqueued") {
    const { lease } = campaign;
    return {
      ...core,
      campaign: {
        stage: "queued",
        lease,
        token: event.token,
        since: now,
        renewal: { since: lease.sentAt, afterMs: renewEveryMs(lease.ttlMs) },
        guard: { since: now, afterMs: 0 },
      },
    };
  }
  if (event.type === "enqueue-failed") {
    return event.failure === "lease-gone"
      ? { ...core, campaign: idle(now) }
      : { ...core, campaign: { ...campaign, call: retry(now) } };
  }
  return core;
}

function recordQueued(
  core: Core,
  campaign: Campaign & { stage: "queued" },
  event: Event,
  now: Instant,
  actions: Action[],
): Core {
  const { lease } = campaign;
  switch (event.type) {
    case "renewed": {
      const { leaseId, ttlMs } = event.answer;
      if (leaseId !== lease.id || ttlMs <= 0) return lose(core, now);
      return {
        ...core,
        campaign: {
          ...campaign,
          lease: { id: leaseId, ttlMs, sentAt: event.sentAt },
          renewal: { since: event.sentAt, afterMs: renewEveryMs(ttlMs) },
        },
      };
    }
    case "renew-failed":
      if (event.failure === "lease-gone") return lose(core, now);
      return { ...core, campaign: { ...campaign, renewal: retry(now) } };
    case "guarded":
      if (!event.answer.held) {
        actions.push({ type: "revoke", leaseId: lease.id, timeoutMs: callTimeoutMs(lease.ttlMs) });
        return lose(core, now);
      }
      if (event.answer.first !== keyOf(core, lease.id)) {
        // The view was wrong: somebody is before us.
        const doubting = closeWatch(endTerm(core, "lost"), now);
        const next = { guardedAt: undefined, askedSince: undefined, guard: retry(now) };
        return { ...doubting, campaign: { ...campaign, ...next } };
      }
      return {
        ...core,
        campaign: {
          ...campaign,
          guardedAt: event.sentAt,
          askedSince: undefined,
          guard: { since: event.sentAt, afterMs: renewEveryMs(lease.ttlMs) },
        },
      };
    case "guard-failed":
      return { ...core, campaign: { ...campaign, guard: retry(now) } };
    default:
      return core;
  }
}

function recordWithdraw(core: Core, campaign: Campaign & { stage: "withdrawing" }, event: Event, now: Instant): Core {
  const failed = event.type === "withdraw-failed";
  if (!failed && event.type !== "withdrawn") return core;
  const { attempts } = campaign;
  // One who stops leaves the rest to the lease, which nobody renews. For the others the key is in the way.
  if (failed && !(core.stopping && attempts >= WITHDRAW_ATTEMPTS)) {
    return { ...core, campaign: { ...campaign, call: { since: now, afterMs: backOffMs(attempts - 1) } } };
  }
  return { ...core, campaign: idle(now) };
}

/** Leaves the queue for the end of it, or for good. */
function leave(core: Core, reason: TermEndReason, actions: Action[], to?: bigint): Core {
  const { campaign } = core;
  if (campaign.stage !== "queued") return core;
  const { lease, token } = campaign;
  const leaving = core.term && (to === undefined ? "resigned" : "switchover");
  actions.push({ type: "drain", leaseId: lease.id });
  return endTerm({ ...core, campaign: { ...draining(lease, token, lease.sentAt), leaving, to } }, reason);
}

/** The key or its lease is gone: stop at once, queue again with a new lease. */
function lose(core: Core, now: Instant): Core {
  const { campaign } = core;
  // Whoever takes our keys away as fast as we make them shall not keep etcd busy with us.
  const soon = campaign.stage === "queued" && elapsed(campaign.since, now) < MAX_RETRY_MS;
  return endTerm({ ...core, campaign: idle(now, soon ? RENEW_RETRY_MS : 0) }, "lost");
}

function endTerm(core: Core, reason: TermEndReason): Core {
  return core.term ? { ...core, term: undefined, ended: reason } : core;
}

function decide(core: Core, now: Instant, actions: Action[]): Core {
  if (core.term && !leads(core, now)) core = endTerm(core, "expired");
  core = decideLoss(core, now, actions);
  if (!core.watch.open && !core.stopping && isDue(core.watch.next, now)) {
    const generation = core.watch.generation + 1;
    actions.push({ type: "watch", generation });
    core = { ...core, watch: { open: true, failures: core.watch.failures, generation } };
  }
  return { ...core, ...decideCampaign(core, now, actions) };
}

/** The view says that our key is gone, or that another stands in its place. */
function decideLoss(core: Core, now: Instant, actions: Action[]): Core {
  const { campaign, view, watch } = core;
  // What a former watch told may be of another time, or even of another etcd.
  if (campaign.stage !== "queued" || !watch.open || view?.generation !== watch.generation) return core;
  if (view.revision < campaign.token) return core;
  const key = keyOf(core, campaign.lease.id);
  if (isQueued(view.queue, key, campaign.token)) return core;
  actions.push({ type: "revoke", leaseId: campaign.lease.id, timeoutMs: callTimeoutMs(campaign.lease.ttlMs) });
  return lose(core, now);
}

function decideCampaign(core: Core, now: Instant, actions: Action[]): Pick<Core, "campaign" | "term"> {
  const { campaign, stopping, settings, term } = core;
  switch (campaign.stage) {
    case "idle":
      if (stopping) return { campaign: { stage: "off" }, term };
      if (!isDue(campaign.next, now)) break;
      actions.push({ type: "grant", ttlMs: settings.ttlMs, timeoutMs: callTimeoutMs(settings.ttlMs) });
      return { campaign: { stage: "granting", failures: campaign.failures }, term };
    case "enqueueing": {
      if (stopping) return { campaign: withdraw(core, withdrawing(campaign.lease, undefined, now), actions), term };
      if (!isDue(campaign.call, now)) break;
      const { id, ttlMs } = campaign.lease;
      actions.push({ type: "enqueue", leaseId: id, key: keyOf(core, id), timeoutMs: callTimeoutMs(ttlMs) });
      return { campaign: { ...campaign, call: "sent" }, term };
    }
    case "queued":
      return decideQueued(core, campaign, now, actions);
    case "draining": {
      const { lease, token, since, drained, leaving, to } = campaign;
      if (!drained && remaining(since, lease.ttlMs, now) > 0) break;
      return { campaign: withdraw(core, { ...withdrawing(lease, token, now), leaving, to }, actions), term };
    }
    case "withdrawing":
      if (isDue(campaign.call, now)) return { campaign: withdraw(core, campaign, actions), term };
      break;
  }
  return { campaign, term };
}

function decideQueued(
  core: Core,
  campaign: Campaign & { stage: "queued" },
  now: Instant,
  actions: Action[],
): Pick<Core, "campaign" | "term"> {
  const { lease, token } = campaign;
  const timeoutMs = callTimeoutMs(lease.ttlMs);
  const renew = isDue(campaign.renewal, now);
  if (renew) actions.push({ type: "renew", leaseId: lease.id, timeoutMs });
  const guard = contests(core) && (isDue(campaign.guard, now) || (renew && campaign.guard !== "sent"));
  if (guard) actions.push({ type: "guard", leaseId: lease.id, key: keyOf(core, lease.id), token, timeoutMs });
  const safe = termRemaining(core, now) > stopBudgetMs(core);
  return {
    campaign: {
      ...campaign,
      renewal: renew ? "sent" : campaign.renewal,
      guard: guard ? "sent" : campaign.guard,
      askedSince: guard ? campaign.askedSince ?? now : campaign.askedSince,
    },
    term: core.term ?? (safe ? { token, since: now } : undefined),
  };
}

function withdraw(
  core: Core,
  campaign: Campaign & { stage: "withdrawing" },
  actions: Action[],
): Campaign & { stage: "withdrawing" } {
  const { lease, token, leaving, attempts } = campaign;
  const timeoutMs = callTimeoutMs(lease.ttlMs);
  // The last try hands the lead to whoever is next: it shall not fail because the queue moves.
  const handoff = attempts < WITHDRAW_ATTEMPTS - 1 ? handoffOf(core, campaign) : undefined;
  const key = keyOf(core, lease.id);
  actions.push({ type: "withdraw", leaseId: lease.id, key, token, leaving, handoff, timeoutMs });
  return { ...campaign, call: "sent", attempts: attempts + 1 };
}

/** Whom the lead goes to, if that one must be told why, or is not the next in the queue, who needs no help. */
function handoffOf({ view }: Core, { token, leaving, to }: Campaign & { stage: "withdrawing" }): Handoff | undefined {
  if (token === undefined || view?.queue[0]?.token !== token) return undefined;
  const handoff = planHandoff(view.queue, token, to);
  return handoff && (leaving || handoff.passed.length > 0) ? handoff : undefined;
}

function draining(lease: Lease, token: bigint, since: Instant): Campaign & { stage: "draining" } {
  return { stage: "draining", lease, token, since, drained: false };
}

function withdrawing(lease: Lease, token: bigint | undefined, now: Instant): Campaign & { stage: "withdrawing" } {
  return { stage: "withdrawing", lease, token, call: { since: now, afterMs: 0 }, attempts: 0 };
}

function idle(now: Instant, afterMs = 0): Campaign {
  return { stage: "idle", next: { since: now, afterMs }, failures: 0 };
}

/** Whether this candidate should ask etcd if it leads. */
function contests(core: Core): boolean {
  return core.campaign.stage === "queued" && (core.campaign.guardedAt !== undefined || isFirst(core));
}

function isFirst(core: Core): boolean {
  const { campaign, view } = core;
  const first = view?.queue[0];
  return campaign.stage === "queued" && first !== undefined && first.token === campaign.token &&
    first.key === keyOf(core, campaign.lease.id);
}

function leaseRemaining({ sentAt, ttlMs }: Lease, now: Instant): number {
  return remaining(sentAt, ttlMs, now);
}

function stopBudgetMs(core: Core): number {
  return core.settings.stopBudgetMs ?? defaultStopBudgetMs(leaseOf(core)?.ttlMs ?? core.settings.ttlMs);
}

function retry(now: Instant): Due {
  return { since: now, afterMs: RENEW_RETRY_MS };
}

function backOffMs(failures: number): number {
  return Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** failures);
}

function isDue(call: Call, now: Instant): boolean {
  return call !== "sent" && elapsed(call.since, now) >= call.afterMs;
}

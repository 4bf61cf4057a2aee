/**
 * Spans and metrics of an election for OpenTelemetry, through its API package alone: they go where the SDK of the process
 * sends them, or nowhere without one. Needs `@opentelemetry/api`; nothing else of the library loads this module.
 *
 * @example On Deno: `OTEL_DENO=true deno run -A program.ts`
 * ```ts
 * import { Election } from "./mod.ts";
 * import { ElectionTracer } from "./otel.ts";
 *
 * const tracer = new ElectionTracer("jobs");
 * await using election = new Election({ name: "jobs", onEvent: tracer.onEvent });
 * tracer.follow(election);
 * for await (const { role } of election) if (role === "leader") break;
 * ```
 *
 * @module
 */
import { type Attributes, type Link, ROOT_CONTEXT, type Span, SpanStatusCode, trace } from "@opentelemetry/api";
import type { ElectionEvent } from "./events.ts";
import type { ElectionView } from "./observation.ts";
import type { LeaderState, RoleState } from "./state.ts";

export { ElectionMeter } from "./otel_metrics.ts";

/** Reasons of a term's end that its leader did not ask for. */
const UNWANTED = ["expired", "key-gone"];

/**
 * Makes spans of what an election does:
 *
 * - `campaign`: from the grant of the lease until this candidate leads or gives the campaign up
 * - `term`: from then until the term's signal fires; an error if nobody asked for its end
 * - `handoff`: from when there is no leader any more until there is one, as this node sees it
 * - `renewal`: a call to etcd that renews the lease, in its campaign or term
 *
 * A term and a handoff link to the campaign or the term before them.
 */
export class ElectionTracer {
  readonly #tracer = trace.getTracer("leader-node");
  readonly #election: string;
  #campaign: Span | undefined;
  #term: Span | undefined;
  #handoff: Span | undefined;
  /** The last term of a leader that was known, and its span if it was ours. */
  #leader: { readonly token: bigint; readonly span?: Span | undefined } | undefined;

  /**
   * Makes no span before an event comes.
   *
   * @param election The election's name, an attribute of all spans.
   */
  constructor(election: string) {
    this.#election = election;
  }

  /** Makes spans of events. Pass it as the election's `onEvent`, or call it there. */
  readonly onEvent = (event: ElectionEvent): void => {
    switch (event.type) {
      case "lease-granted":
        this.#campaign?.end();
        this.#campaign = this.#start("campaign", { "leader_node.lease.ttl_ms": event.ttlMs });
        return;
      case "queued":
        this.#campaign?.addEvent("queued", { "leader_node.key": event.key });
        return;
      case "lease-renewed":
        return this.#renewal(event.tookMs).end();
      case "renewal-failed": {
        const span = this.#renewal(0);
        span.setStatus({ code: SpanStatusCode.ERROR, message: event.message });
        return span.end();
      }
    }
  };

  /**
   * Makes spans of the states from now on. Call it once.
   *
   * @param election The election that was given {@linkcode ElectionTracer.onEvent}.
   * @returns A promise that resolves when the election has stopped.
   */
  async follow(election: ElectionView): Promise<void> {
    for await (const state of election) {
      if (state.role === "leader") this.#lead(state);
      this.#sawLeader(state);
    }
    // A handoff whose end this node does not see any more is none.
    for (const span of [this.#campaign, this.#term]) span?.end();
  }

  #lead({ term }: LeaderState): void {
    this.#term?.end();
    const campaign = this.#campaign;
    const span = this.#start("term", { "leader_node.token": String(term.token) }, campaign);
    this.#campaign = undefined;
    campaign?.end();
    this.#term = span;
    term.signal.addEventListener("abort", () => {
      const { reason } = term.signal.reason;
      span.setAttribute("leader_node.end_reason", reason);
      if (UNWANTED.includes(reason)) span.setStatus({ code: SpanStatusCode.ERROR, message: reason });
      span.end();
      if (this.#term === span) this.#term = undefined;
    }, { once: true });
  }

  /** A handoff lasts from one known leader to the next: no time at all if nobody saw that there was none. */
  #sawLeader({ role, leader }: RoleState): void {
    const last = this.#leader;
    if (last && leader?.token !== last.token && role !== "stopped") {
      this.#handoff ??= this.#start("handoff", { "leader_node.from_token": String(last.token) }, last.span);
    }
    if (!leader) return;
    // The same leader again, after an outage of etcd, is no handoff.
    if (leader.token !== last?.token) {
      this.#handoff?.setAttributes({ "leader_node.to_token": String(leader.token), "leader_node.to": leader.id });
      this.#handoff?.end();
    }
    this.#handoff = undefined;
    this.#leader = { token: leader.token, span: this.#term };
  }

  #renewal(tookMs: number): Span {
    const parent = this.#term ?? this.#campaign;
    const context = parent ? trace.setSpan(ROOT_CONTEXT, parent) : ROOT_CONTEXT;
    const options = { attributes: this.#attributes(), startTime: Date.now() - tookMs };
    return this.#tracer.startSpan("renewal", options, context);
  }

  #start(name: string, attributes: Attributes, after?: Span): Span {
    const links: Link[] = after ? [{ context: after.spanContext() }] : [];
    return this.#tracer.startSpan(name, { root: true, attributes: this.#attributes(attributes), links });
  }

  #attributes(more: Attributes = {}): Attributes {
    return { "leader_node.election": this.#election, ...more };
  }
}

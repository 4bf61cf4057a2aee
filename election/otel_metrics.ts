import { type Attributes, metrics, type ObservableResult } from "@opentelemetry/api";
import type { ElectionEvent } from "./events.ts";
import type { ElectionView } from "./observation.ts";
import type { Term } from "./term.ts";

/** In seconds: those of `leader_node_renew_duration_seconds` for Prometheus, and one more. */
const BOUNDARIES = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];

/**
 * Metrics of what an election does, through OpenTelemetry's API package alone:
 *
 * - `leader_node.is_leader`: 1 while this candidate leads, by the clock, else 0; until the election has stopped
 * - `leader_node.terms`: terms of this candidate
 * - `leader_node.terms_ended`: the same, when they have ended, by `leader_node.end_reason`
 * - `leader_node.renewal.duration`: how long etcd took to renew the lease, in seconds
 * - `leader_node.renewal.failures`: renewals that failed
 *
 * Make it when the SDK has started: metrics that are made before go nowhere.
 *
 * @example On Deno: `OTEL_DENO=true deno run -A program.ts`
 * ```ts
 * import { Election } from "./mod.ts";
 * import { ElectionMeter } from "./otel.ts";
 *
 * const meter = new ElectionMeter("jobs");
 * await using election = new Election({ name: "jobs", onEvent: meter.onEvent });
 * meter.follow(election);
 * for await (const { role } of election) if (role === "leader") break;
 * ```
 */
export class ElectionMeter {
  readonly #meter = metrics.getMeter("leader-node");
  readonly #terms = this.#meter.createCounter("leader_node.terms");
  readonly #ended = this.#meter.createCounter("leader_node.terms_ended");
  readonly #renewals = this.#meter.createHistogram("leader_node.renewal.duration", {
    unit: "s",
    advice: { explicitBucketBoundaries: BOUNDARIES },
  });
  readonly #failures = this.#meter.createCounter("leader_node.renewal.failures");
  readonly #isLeader = this.#meter.createObservableGauge("leader_node.is_leader");
  readonly #attributes: Attributes;

  /**
   * Measures nothing before an event comes.
   *
   * @param election The election's name, an attribute of all metrics.
   */
  constructor(election: string) {
    this.#attributes = { "leader_node.election": election };
  }

  /** Measures renewals. Pass it as the election's `onEvent`, or call it there. */
  readonly onEvent = (event: ElectionEvent): void => {
    if (event.type === "lease-renewed") this.#renewals.record(event.tookMs / 1000, this.#attributes);
    if (event.type === "renewal-failed") this.#failures.add(1, this.#attributes);
  };

  /**
   * Measures the states from now on. Call it once.
   *
   * @param election The election that was given {@linkcode ElectionMeter.onEvent}.
   * @returns A promise that resolves when the election has stopped.
   */
  async follow(election: ElectionView): Promise<void> {
    const look = (result: ObservableResult) =>
      result.observe(election.state.role === "leader" ? 1 : 0, this.#attributes);
    this.#isLeader.addCallback(look);
    let last: Term | undefined;
    for await (const state of election) {
      if (state.role !== "leader" || state.term === last) continue;
      last = state.term;
      this.#count(last);
    }
    this.#isLeader.removeCallback(look);
  }

  #count({ signal }: Term): void {
    this.#terms.add(1, this.#attributes);
    const end = () => this.#ended.add(1, { ...this.#attributes, "leader_node.end_reason": signal.reason.reason });
    if (signal.aborted) end();
    else signal.addEventListener("abort", end, { once: true });
  }
}

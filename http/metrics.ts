import type { ElectionEvent } from "../election/mod.ts";
import type { NodeSnapshot } from "./answers.ts";
import { Histogram, metricLines, type Sample } from "./prometheus_text.ts";

export const METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** Upper bounds of the histogram buckets, in seconds. */
const RENEWAL_BOUNDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1];

/** A node's metrics. Gauges are read when the metrics are scraped. */
export class Metrics {
  readonly #election: string;
  readonly #renewals = new Histogram(RENEWAL_BOUNDS);
  /** The number of answers by path and status. */
  readonly #requests = new Map<string, Map<number, number>>();
  #failures = 0;

  constructor(election: string) {
    this.#election = election;
  }

  /** Counts an event of the election. */
  record(event: ElectionEvent): void {
    if (event.type === "lease-renewed") this.#renewals.observe(event.tookMs / 1000);
    if (event.type === "renewal-failed") this.#failures++;
  }

  /** Counts an answer. `path` must be a known path, to limit the number of time series. */
  countAnswer(path: string, code: number): void {
    let counts = this.#requests.get(path);
    if (!counts) this.#requests.set(path, counts = new Map());
    counts.set(code, (counts.get(code) ?? 0) + 1);
  }

  /** All metrics in the text format of Prometheus. */
  text({ status, history, command, watchdog, log, version }: NodeSnapshot): string {
    const labels = { name: this.#election };
    // Unknown values are left out.
    const one = (value: number | undefined): Sample[] => value === undefined ? [] : [{ labels, value }];
    const gauge = (name: string, help: string, value: number | undefined) =>
      metricLines(name, "gauge", help, one(value));
    const counter = (name: string, help: string, value: number | undefined) =>
      metricLines(name, "counter", help, one(value));
    const { state, queue, lease, queueAgeMs } = status;
    const token = state.leader && Number(state.leader.token);
    return [
      gauge(
        "leader_election_master_status",
        "1 if this node is the leader, else 0.",
        state.role === "leader" ? 1 : 0,
      ),
      counter(
        "leader_election_slowpath_total",
        "Lease renewals that did not succeed at the first attempt.",
        this.#failures,
      ),
      metricLines(
        "leader_node_build_info",
        "gauge",
        "Always 1; the labels are the versions of the program and of its runtime.",
        [
          { labels: { version, ...runtime(), ...labels }, value: 1 },
        ],
      ),
      counter("leader_node_leader_changes_total", "Leader changes that this node has seen.", history.changes),
      counter(
        "leader_node_leaderless_seconds_total",
        "Total time in which this node knew no leader.",
        history.leaderlessMs / 1000,
      ),
      gauge("leader_node_fencing_token", "Fencing token of the current leader.", token),
      gauge("leader_node_leader_known", "1 if this node knows a leader, else 0.", state.leader ? 1 : 0),
      gauge("leader_node_candidates", "Candidates in the queue, including the leader.", queue.length),
      gauge(
        "leader_node_lease_remaining_seconds",
        "Time for which this node's lease is certain to be valid.",
        lease && lease.expiresInMs / 1000,
      ),
      gauge(
        "leader_node_etcd_answer_age_seconds",
        "Time since etcd last confirmed the queue.",
        queueAgeMs === undefined ? undefined : queueAgeMs / 1000,
      ),
      gauge(
        "leader_node_command_running",
        "1 if the command is running, else 0.",
        command && (command.running ? 1 : 0),
      ),
      gauge("leader_node_command_starts", "Number of times the command was started.", command?.starts),
      gauge(
        "leader_node_watchdog_running",
        "1 if the watchdog is running, else 0.",
        watchdog && (watchdog.pid === undefined ? 0 : 1),
      ),
      gauge(
        "leader_node_log_stuck_seconds",
        "Time for which log lines have waited without progress, 0 if none waits.",
        log && log.stuckForMs / 1000,
      ),
      counter(
        "leader_node_log_lines_dropped_total",
        "Log lines dropped because the reader did not take them.",
        log?.dropped,
      ),
      metricLines(
        "leader_node_renew_duration_seconds",
        "histogram",
        "Latency of lease renewals.",
        this.#renewals.samples(labels),
      ),
      counter("leader_node_renew_failures_total", "Lease renewals that failed.", this.#failures),
      metricLines(
        "leader_node_http_requests_total",
        "counter",
        "HTTP requests by path and status code.",
        [...this.#requests].flatMap(([path, counts]) =>
          [...counts].map(([code, value]) => ({ labels: { path, code: String(code), ...labels }, value }))
        ),
      ),
    ].join("");
  }
}

/** Name and version of the runtime. Deno loads a part of Node.js for it, which takes longer than the rest of a start. */
function runtime(): Readonly<Record<string, string>> {
  const { process: { versions } } = globalThis as unknown as { process: { versions: Record<string, string> } };
  // Deno and Bun name the version of Node.js, too, that they imitate.
  const name = ["deno", "bun"].find((name) => name in versions) ?? "node";
  return { [name]: versions[name]! };
}

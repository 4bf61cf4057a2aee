import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { ElectionEvent } from "../election/mod.ts";
import type { NodeSource } from "./answers.ts";

/** A node's metrics in the text format of Prometheus. What is a state is read when it is asked for. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #renewals: Histogram;
  readonly #failures: Counter;
  readonly #slowPath: Counter;
  readonly #requests: Counter<"path" | "code">;

  constructor(election: string, source: () => NodeSource) {
    this.#registry.setDefaultLabels({ name: election });
    const registers = [this.#registry];
    const gauge = (name: string, help: string, read: (node: NodeSource) => number | undefined) => {
      new Gauge({
        name,
        help,
        registers,
        collect() {
          // What is not known is not said.
          this.reset();
          const value = read(source());
          if (value !== undefined) this.set(value);
          else this.remove();
        },
      });
    };
    new Gauge({
      name: "leader_election_master_status",
      help: "1 if this node leads the election now, else 0.",
      registers,
      collect() {
        this.set(source().status.state.role === "leader" ? 1 : 0);
      },
    });
    this.#slowPath = new Counter({
      name: "leader_election_slowpath_total",
      help: "Renewals that did not succeed at the first try.",
      registers,
    });
    new Gauge({
      name: "leader_node_build_info",
      help: "1, with the version of the program and of its runtime.",
      labelNames: ["version", "deno"],
      registers,
      collect() {
        this.set({ version: source().version, deno: Deno.version.deno }, 1);
      },
    });
    new Counter({
      name: "leader_node_leader_changes_total",
      help: "How often this node has seen the lead change.",
      registers,
      collect() {
        this.reset();
        this.inc(source().history.changes);
      },
    });
    new Counter({
      name: "leader_node_leaderless_seconds_total",
      help: "Time in which this node knew no leader.",
      registers,
      collect() {
        this.reset();
        this.inc(source().history.leaderlessMs / 1000);
      },
    });
    gauge("leader_node_fencing_token", "The fencing token of the leader that this node knows.", ({ status }) => {
      const token = status.state.leader?.token;
      return token === undefined ? undefined : Number(token);
    });
    gauge("leader_node_leader_known", "1 if this node knows a leader, else 0.", ({ status }) => {
      return status.state.leader ? 1 : 0;
    });
    gauge("leader_node_candidates", "Candidates in the queue, the leader included.", ({ status }) => {
      return status.queue.length;
    });
    gauge("leader_node_lease_remaining_seconds", "Time for which this node's lease surely holds.", ({ status }) => {
      return status.lease && status.lease.expiresInMs / 1000;
    });
    gauge("leader_node_etcd_answer_age_seconds", "Time since etcd last confirmed the queue.", ({ status }) => {
      return status.viewAgeMs === undefined ? undefined : status.viewAgeMs / 1000;
    });
    gauge("leader_node_command_running", "1 if the supervised command runs, else 0.", ({ command }) => {
      return command && (command.running ? 1 : 0);
    });
    gauge("leader_node_command_starts", "How often the supervised command was started.", ({ command }) => {
      return command?.starts;
    });
    gauge("leader_node_watchdog_running", "1 if the node's watchdog runs, else 0.", ({ watchdog }) => {
      return watchdog && (watchdog.pid === undefined ? 0 : 1);
    });
    this.#renewals = new Histogram({
      name: "leader_node_renew_duration_seconds",
      help: "Time that etcd took to answer a renewal of the lease.",
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1],
      registers,
    });
    this.#failures = new Counter({
      name: "leader_node_renew_failures_total",
      help: "Renewals of the lease that failed.",
      registers,
    });
    this.#requests = new Counter({
      name: "leader_node_http_requests_total",
      help: "HTTP requests that were answered.",
      labelNames: ["path", "code"],
      registers,
    });
  }

  /** Takes note of what happened in the election. */
  record(event: ElectionEvent): void {
    if (event.type === "lease-renewed") this.#renewals.observe(event.tookMs / 1000);
    if (event.type === "renewal-failed") {
      this.#failures.inc();
      this.#slowPath.inc();
    }
  }

  /** Takes note of a request; `path` is one of those that are served. */
  answered(path: string, code: number): void {
    this.#requests.inc({ path, code });
  }

  /** All of it, in the text format. */
  text(): Promise<string> {
    return this.#registry.metrics();
  }

  get contentType(): string {
    return this.#registry.contentType;
  }
}

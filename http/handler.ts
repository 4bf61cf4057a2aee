import type { ElectionEvent, ElectionStatus, ElectionView } from "../election/mod.ts";
import {
  type CommandStatus,
  type Control,
  type LogStatus,
  type NodeSnapshot,
  roleText,
  type WatchdogStatus,
} from "./answers.ts";
import { EventStreams } from "./event_streams.ts";
import { ChangeNotifier } from "./change_notifier.ts";
import { History } from "./history.ts";
import { Metrics } from "./metrics.ts";
import { answer, type RouteContext } from "./routes.ts";

/** Who answers, and for which election. What may change is read at each request. */
export interface NodeHandlerOptions {
  /** The election's name, for the metrics. */
  readonly name: string;
  /** This node's id. */
  readonly id: string;
  /** Where others reach this node. */
  readonly url: string;
  /**
   * The version of the program that answers.
   *
   * @default {"0.0.0"}
   */
  readonly version?: string;
  /** The command that runs while this node leads, if there is one. */
  readonly command?: CommandStatus;
  /** The node's watchdog, if it has one. */
  readonly watchdog?: WatchdogStatus;
  /** How the node's log is doing, if it is known. */
  readonly log?: LogStatus;
  /** Lets those who know a token move the lead; without it nobody can. */
  readonly control?: Control;
}

const NOT_YET: ElectionStatus = { state: { role: "connecting" }, queue: [], inQueue: false };

/**
 * What a node answers over HTTP: who leads, probes, the queue, the history, metrics, events and the page.
 *
 * @example A node of your own
 * ```ts
 * import { Election } from "../election/mod.ts";
 * import { NodeHandler } from "./mod.ts";
 *
 * const self = { id: "worker-1", url: "http://localhost:8080" };
 * const node = new NodeHandler({ name: "jobs", ...self });
 * await using election = new Election({ name: "jobs", candidate: self, onEvent: node.onEvent });
 * node.show(election);
 * await using server = Deno.serve({ port: 0, onListen() {} }, node.handle);
 * for await (const { role } of election) if (role === "leader") break;
 * console.log(await (await fetch(`http://localhost:${server.addr.port}/`)).text());
 * node.close();
 * ```
 */
export class NodeHandler {
  readonly #options: NodeHandlerOptions;
  readonly #history = new History();
  readonly #feed = new ChangeNotifier();
  readonly #metrics: Metrics;
  readonly #events: EventStreams;
  readonly #context: RouteContext;
  #election: ElectionView | undefined;

  /**
   * Answers as one who knows nothing yet.
   *
   * @param options Who answers, and for which election.
   */
  constructor(options: NodeHandlerOptions) {
    this.#options = options;
    const snapshot = () => this.#snapshot();
    this.#metrics = new Metrics(options.name);
    this.#events = new EventStreams(snapshot, this.#feed);
    const roleLine = () => roleText((this.#election ?? NOT_YET).state, options.url);
    this.#context = { snapshot, roleLine, events: this.#events, metrics: this.#metrics };
  }

  /** Takes note of what happens: the `onEvent` of the election's options. */
  readonly onEvent = (event: ElectionEvent): void => {
    if (event.type === "queue-changed") this.#history.seen(event.queue);
    this.#metrics.record(event);
    this.#feed.changed();
  };

  /** Answers a request; a handler for `Deno.serve` and others of its kind. */
  readonly handle = (request: Request): Response | Promise<Response> => answer(this.#context, request);

  /**
   * Answers for this election from now on.
   *
   * @param election The one whose `onEvent` this is.
   * @returns A promise that resolves when the election has stopped.
   */
  async show(election: ElectionView): Promise<void> {
    this.#election = election;
    for await (const state of election) {
      if (state.role === "leader") {
        const { signal, token } = state.term;
        this.#history.ownTermBegan(token);
        signal.addEventListener("abort", () => this.#history.ownTermEnded(token, signal.reason.reason));
      }
      this.#history.leaderIs(state.leader !== undefined);
      this.#feed.changed();
    }
  }

  /** Ends the streams of events. */
  close(): void {
    this.#events.close();
  }

  #snapshot(): NodeSnapshot {
    const { id, url, version = "0.0.0", command, watchdog, log, control } = this.#options;
    const status = this.#election?.status ?? NOT_YET;
    return { id, url, version, command, watchdog, log, control, status, history: this.#history };
  }
}

import { endReason, look } from "../election/internal.ts";
import type { ElectionEvent, ElectionStatus, ElectionView, Term } from "../election/mod.ts";
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
import { LoadGauge } from "./load.ts";
import { Metrics } from "./metrics.ts";
import { answer, type ClientInfo, type RouteContext } from "./routes.ts";

/** The node that a handler answers for. Properties are read at each request, so getters may return changing values. */
export interface NodeHandlerOptions {
  /** The election's name, the label `name` of the metrics. */
  readonly name: string;
  /** This node's id. */
  readonly id: string;
  /** The URL under which other nodes and clients reach this node. */
  readonly url: string;
  /**
   * The version of the program.
   *
   * @default {"0.0.0"}
   */
  readonly version?: string;
  /** The command that runs while this node leads, if there is one. */
  readonly command?: CommandStatus;
  /** The node's watchdog, if it has one. */
  readonly watchdog?: WatchdogStatus;
  /** The state of the node's log, if known. */
  readonly log?: LogStatus;
  /** Enables leadership transfers for requests with its token; they are answered with 403 without it. */
  readonly control?: Control;
}

const INITIAL_STATUS: ElectionStatus = { state: { role: "connecting" }, queue: [], inQueue: false };

/**
 * HTTP request handler for an election: role, probes, queue, history, metrics, events, leadership transfer and the page.
 *
 * @example A program that answers like a node
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
  readonly #notifier = new ChangeNotifier();
  readonly #metrics: Metrics;
  readonly #events: EventStreams;
  readonly #context: RouteContext;
  #election: ElectionView | undefined;
  /** The last role that was told, in words: a state is the same object until it changes. */
  #role: { readonly state: ElectionStatus["state"]; readonly text: string } | undefined;
  /** Measures while there is an election to protect. */
  #load: LoadGauge | undefined;

  /**
   * Until {@linkcode NodeHandler.show} is called, every answer reports the role `connecting`.
   *
   * @param options The node to answer for.
   */
  constructor(options: NodeHandlerOptions) {
    this.#options = options;
    const snapshot = () => this.#snapshot();
    this.#metrics = new Metrics(options.name);
    this.#events = new EventStreams(options.name, snapshot, this.#notifier);
    const roleLine = () => {
      const { state } = this.#election ?? INITIAL_STATUS;
      if (this.#role?.state !== state) this.#role = { state, text: roleText(state, options.url) };
      return this.#role.text;
    };
    const verdict = (vital: boolean) => this.#load?.count(vital) ?? "answer";
    this.#context = { snapshot, roleLine, verdict, events: this.#events, metrics: this.#metrics };
  }

  /** Records events for the history, metrics and streams. Pass it as the election's `onEvent`. */
  readonly onEvent = (event: ElectionEvent): void => {
    if (event.type === "queue-changed") this.#history.update(event.queue);
    this.#metrics.record(event);
    this.#notifier.changed();
  };

  /**
   * Answers a request, computed against the clock at that moment. It is a handler for `Deno.serve` and other servers
   * that use the Fetch API. Unknown paths get 404, other methods 405; it does not throw for invalid requests.
   */
  readonly handle = (request: Request, client?: ClientInfo): Response | Promise<Response> =>
    answer(this.#context, request, client);

  /**
   * Answers for this election from now on. Call it once.
   *
   * @param election The election that was given {@linkcode NodeHandler.onEvent}.
   * @returns A promise that resolves when the election has stopped.
   */
  async show(election: ElectionView): Promise<void> {
    this.#election = election;
    this.#load = new LoadGauge(() => {
      const { state, lease } = election.status;
      return state.role === "leader" ? lease?.ttlMs : undefined;
    });
    let last: Term | undefined;
    for await (const state of look(election)) {
      const term = state.role === "leader" ? state.term : undefined;
      if (last && last !== term) this.#history.ownTermEnded(last.token, endReason(last));
      if (term && last !== term) this.#history.ownTermBegan(term.token);
      last = term;
      this.#history.setLeaderKnown(state.leader !== undefined);
      this.#notifier.changed();
    }
    this.#load.close();
    this.#load = undefined;
  }

  /** Ends all event streams, so that the server can shut down. Other requests are still answered. */
  close(): void {
    this.#events.close();
  }

  #snapshot(): NodeSnapshot {
    const { id, url, version = "0.0.0", command, watchdog, log, control } = this.#options;
    const status = this.#election?.status ?? INITIAL_STATUS;
    return { id, url, version, command, watchdog, log, control, status, history: this.#history };
  }
}

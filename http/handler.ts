import type { ElectionEvent, ElectionStatus, Observation } from "../election/mod.ts";
import { type CommandStatus, type Control, type NodeSource, roleText } from "./answers.ts";
import { Events } from "./event_streams.ts";
import { Feed } from "./change_notifier.ts";
import { History } from "./history.ts";
import { Metrics } from "./metrics.ts";
import { answer, type Ground } from "./routes.ts";

/** Who answers, and for which election. What may change is read at each request. */
export interface FaceOptions {
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
  /** The node's watchdog, if it has one; without a pid while another one is being started. */
  readonly watchdog?: { readonly pid?: number };
  /** Lets those who know a token move the lead; without it nobody can. */
  readonly control?: Control;
}

const NOT_YET: ElectionStatus = { state: { role: "connecting" }, queue: [], takesPart: false };

/**
 * What a node answers over HTTP: who leads, probes, the queue, the history, metrics, events and the page.
 *
 * @example A node of your own
 * ```ts
 * import { Election } from "../election/mod.ts";
 * import { Face } from "./mod.ts";
 *
 * const self = { id: "worker-1", url: "http://localhost:8080" };
 * const face = new Face({ name: "jobs", ...self });
 * await using election = new Election({ name: "jobs", candidate: self, onEvent: face.onEvent });
 * face.show(election);
 * await using server = Deno.serve({ port: 0, onListen() {} }, face.handler);
 * for await (const { role } of election) if (role === "leader") break;
 * console.log(await (await fetch(`http://localhost:${server.addr.port}/`)).text());
 * face.close();
 * ```
 */
export class Face {
  readonly #options: FaceOptions;
  readonly #history = new History();
  readonly #feed = new Feed();
  readonly #metrics: Metrics;
  readonly #events: Events;
  readonly #ground: Ground;
  #election: Observation | undefined;

  /**
   * Answers as one who knows nothing yet.
   *
   * @param options Who answers, and for which election.
   */
  constructor(options: FaceOptions) {
    this.#options = options;
    const source = () => this.#source();
    this.#metrics = new Metrics(options.name);
    this.#events = new Events(source, this.#feed);
    const line = () => roleText((this.#election ?? NOT_YET).state, options.url);
    this.#ground = { source, line, events: this.#events, metrics: this.#metrics };
  }

  /** Takes note of what happens: the `onEvent` of the election's options. */
  readonly onEvent = (event: ElectionEvent): void => {
    if (event.type === "queue-changed") this.#history.seen(event.queue);
    this.#metrics.record(event);
    this.#feed.changed();
  };

  /** Answers a request; a handler for `Deno.serve` and others of its kind. */
  readonly handler = (request: Request): Response | Promise<Response> => answer(this.#ground, request);

  /**
   * Answers for this election from now on.
   *
   * @param election The one whose `onEvent` this is.
   * @returns A promise that resolves when the election has stopped.
   */
  async show(election: Observation): Promise<void> {
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

  #source(): NodeSource {
    const { id, url, version = "0.0.0", command, watchdog, control } = this.#options;
    const status = this.#election?.status ?? NOT_YET;
    return { id, url, version, command, watchdog, control, status, history: this.#history };
  }
}

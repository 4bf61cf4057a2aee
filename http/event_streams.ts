import { historyBody, membersBody, type NodeSnapshot, statusBody } from "./answers.ts";
import type { ChangeNotifier } from "./change_notifier.ts";

/** How often a stream says that it is still there. */
const HEARTBEAT_MS = 15_000;
/** How soon a browser should come back. */
const RETRY_MS = 1000;

const encoder = new TextEncoder();

/** How many of the newest terms an event holds; `/history` has more. */
const TERMS = 50;

/** Server-Sent Events: the state now, then again after each change. A slow reader skips what is no longer so. */
export class EventStreams {
  readonly #snapshot: () => NodeSnapshot;
  readonly #feed: ChangeNotifier;
  /** What is the same for all streams, made once for each change. */
  #shared = { version: -1, json: "" };

  constructor(snapshot: () => NodeSnapshot, feed: ChangeNotifier) {
    this.#snapshot = snapshot;
    this.#feed = feed;
  }

  /** Ends all streams. */
  close(): void {
    this.#feed.close();
  }

  /** A stream for one reader. */
  stream(): ReadableStream<Uint8Array<ArrayBuffer>> {
    const feed = this.#feed;
    const gone = new AbortController();
    let sent = -1;
    return new ReadableStream({
      pull: async (controller) => {
        if (sent >= 0) await feed.next(sent, HEARTBEAT_MS, gone.signal);
        if (gone.signal.aborted) return;
        if (feed.closed) return controller.close();
        const retry = sent < 0 ? `retry: ${RETRY_MS}\n` : "";
        const text = feed.version === sent ? ": still here\n\n" : retry + this.#event();
        sent = feed.version;
        controller.enqueue(encoder.encode(text));
      },
      cancel() {
        gone.abort();
      },
    }, { highWaterMark: 0 });
  }

  #event(): string {
    const { version } = this.#feed;
    const snapshot = this.#snapshot();
    if (this.#shared.version !== version) this.#shared = { version, json: JSON.stringify(shared(snapshot)) };
    // The status depends on the moment.
    const data = `${JSON.stringify(statusBody(snapshot)).slice(0, -1)},${this.#shared.json.slice(1)}`;
    return `id: ${version}\nevent: state\ndata: ${data}\n\n`;
  }
}

function shared(snapshot: NodeSnapshot): Record<string, unknown> {
  const { members } = membersBody(snapshot.status);
  const { terms, ...history } = historyBody(snapshot);
  return { members, ...history, terms: (terms as unknown[]).slice(0, TERMS), control: snapshot.control !== undefined };
}

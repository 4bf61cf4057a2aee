import { historyBody, membersBody, type NodeSnapshot, statusBody } from "./answers.ts";
import type { ChangeNotifier } from "./change_notifier.ts";

/** How often an idle stream sends a comment, so that dead connections are noticed. */
const HEARTBEAT_MS = 15_000;
/** How long browsers wait before they reconnect. */
const RETRY_MS = 1000;

const encoder = new TextEncoder();

/** How many of the newest terms an event contains; `/history` has more. */
const MAX_TERMS = 50;

/** Server-Sent Events: the state now, then again after each change. A slow reader skips intermediate states. */
export class EventStreams {
  readonly #snapshot: () => NodeSnapshot;
  readonly #notifier: ChangeNotifier;
  /** The part that is the same for all streams, serialized once per change. */
  #shared = { version: -1, json: "" };

  constructor(snapshot: () => NodeSnapshot, notifier: ChangeNotifier) {
    this.#snapshot = snapshot;
    this.#notifier = notifier;
  }

  /** Ends all streams. */
  close(): void {
    this.#notifier.close();
  }

  /** A stream for one reader. */
  stream(): ReadableStream<Uint8Array<ArrayBuffer>> {
    const notifier = this.#notifier;
    const cancelled = new AbortController();
    let sent = -1;
    return new ReadableStream({
      pull: async (controller) => {
        if (sent >= 0) await notifier.next(sent, HEARTBEAT_MS, cancelled.signal);
        if (cancelled.signal.aborted) return;
        if (notifier.closed) return controller.close();
        const retry = sent < 0 ? `retry: ${RETRY_MS}\n` : "";
        const text = notifier.version === sent ? ": still here\n\n" : retry + this.#event();
        sent = notifier.version;
        controller.enqueue(encoder.encode(text));
      },
      cancel() {
        cancelled.abort();
      },
    }, { highWaterMark: 0 });
  }

  #event(): string {
    const { version } = this.#notifier;
    const snapshot = this.#snapshot();
    if (this.#shared.version !== version) this.#shared = { version, json: JSON.stringify(shared(snapshot)) };
    // The status depends on the clock, so it is computed for each event.
    const data = `${JSON.stringify(statusBody(snapshot)).slice(0, -1)},${this.#shared.json.slice(1)}`;
    return `id: ${version}\nevent: state\ndata: ${data}\n\n`;
  }
}

function shared(snapshot: NodeSnapshot): Record<string, unknown> {
  const { members } = membersBody(snapshot.status);
  const { terms, ...history } = historyBody(snapshot);
  return {
    members,
    ...history,
    terms: (terms as unknown[]).slice(0, MAX_TERMS),
    control: snapshot.control !== undefined,
  };
}

import { historyTexts, type NodeSnapshot, statusBody } from "./answers.ts";
import type { ChangeNotifier } from "./change_notifier.ts";
import { membersFields } from "./members.ts";

/** How often an idle stream of a node without a lease sends a heartbeat. */
const HEARTBEAT_MS = 1000;
/** The limits of that for a node with a lease: a quarter of its TTL. */
const HEARTBEAT_RANGE_MS = [500, 5000] as const;
/** How long browsers wait before they reconnect. */
const RETRY_MS = 1000;
/** How many streams are open at most: each change is sent to all of them. */
export const MAX_STREAMS = 200;
/** How long the streams share an event: it holds ages, which the clock changes. */
const SHARED_MS = 50;

const encoder = new TextEncoder();
const RETRY = encoder.encode(`retry: ${RETRY_MS}\n`);

/** An event that was made for one stream, and serves the others. */
interface SharedEvent {
  readonly version: number;
  readonly state: NodeSnapshot["status"]["state"];
  readonly madeAt: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/**
 * Server-Sent Events: the state now, then again after each change; a slow reader skips intermediate states. In between,
 * heartbeats: whoever hears none knows within the TTL that what it last heard may be true no more.
 */
export class EventStreams {
  readonly #election: string;
  readonly #snapshot: () => NodeSnapshot;
  readonly #notifier: ChangeNotifier;
  #open = 0;
  #shared: SharedEvent | undefined;

  constructor(election: string, snapshot: () => NodeSnapshot, notifier: ChangeNotifier) {
    this.#election = election;
    this.#snapshot = snapshot;
    this.#notifier = notifier;
  }

  /** Ends all streams. */
  close(): void {
    this.#notifier.close();
  }

  /** A stream for one reader; undefined if there are too many. */
  stream(): ReadableStream<Uint8Array<ArrayBuffer>> | undefined {
    if (this.#open >= MAX_STREAMS) return undefined;
    this.#open++;
    const notifier = this.#notifier;
    const cancelled = new AbortController();
    let sent = -1;
    return new ReadableStream({
      start: (controller) => controller.enqueue(RETRY),
      pull: async (controller) => {
        if (sent >= 0) await notifier.next(sent, heartbeatMs(this.#snapshot()), cancelled.signal);
        if (cancelled.signal.aborted) return;
        if (notifier.closed) {
          this.#open--;
          return controller.close();
        }
        const bytes = notifier.version === sent ? this.#heartbeat() : this.#event();
        sent = notifier.version;
        controller.enqueue(bytes);
      },
      cancel: () => {
        this.#open--;
        cancelled.abort();
      },
    }, { highWaterMark: 0 });
  }

  #heartbeat(): Uint8Array<ArrayBuffer> {
    return encoder.encode(`event: heartbeat\ndata: ${JSON.stringify(statusBody(this.#snapshot()))}\n\n`);
  }

  #event(): Uint8Array<ArrayBuffer> {
    const { version } = this.#notifier;
    const snapshot = this.#snapshot();
    const { state } = snapshot.status;
    const now = performance.now();
    const shared = this.#shared;
    if (shared?.version === version && shared.state === state && now - shared.madeAt < SHARED_MS) return shared.bytes;
    const data = [
      JSON.stringify(statusBody(snapshot)).slice(0, -1),
      membersFields(snapshot.status),
      historyTexts(snapshot).newest.slice(1, -1),
      `"control":${snapshot.control !== undefined},"election":${JSON.stringify(this.#election)}`,
      `"heartbeat_ms":${heartbeatMs(snapshot)}}`,
    ].join();
    const bytes = encoder.encode(`id: ${version}\nevent: state\ndata: ${data}\n\n`);
    this.#shared = { version, state, madeAt: now, bytes };
    return bytes;
  }
}

function heartbeatMs({ status: { lease } }: NodeSnapshot): number {
  const [least, most] = HEARTBEAT_RANGE_MS;
  return lease ? Math.min(most, Math.max(least, Math.round(lease.ttlMs / 4))) : HEARTBEAT_MS;
}

import { historyBody, membersBody, type NodeSource, statusBody } from "./answers.ts";
import type { Feed } from "./feed.ts";

/** How often a stream says that it is still there. */
const HEARTBEAT_MS = 15_000;
/** How soon a browser should come back. */
const RETRY_MS = 1000;

const encoder = new TextEncoder();

/** Server-Sent Events: the state now, then again after each change. A slow reader skips what is no longer so. */
export function eventStream(source: () => NodeSource, feed: Feed): ReadableStream<Uint8Array<ArrayBuffer>> {
  const gone = new AbortController();
  let sent = -1;
  return new ReadableStream({
    async pull(controller) {
      if (sent >= 0) await feed.next(sent, HEARTBEAT_MS, gone.signal);
      if (gone.signal.aborted) return;
      if (feed.closed) return controller.close();
      const text = feed.version === sent ? ": still here\n\n" : stateEvent(source(), feed.version, sent < 0);
      sent = feed.version;
      controller.enqueue(encoder.encode(text));
    },
    cancel() {
      gone.abort();
    },
  }, { highWaterMark: 0 });
}

function stateEvent(source: NodeSource, version: number, first: boolean): string {
  const data = JSON.stringify({
    ...statusBody(source),
    ...membersBody(source),
    ...historyBody(source),
    control: source.control !== undefined,
  });
  return `${first ? `retry: ${RETRY_MS}\n` : ""}id: ${version}\nevent: state\ndata: ${data}\n\n`;
}

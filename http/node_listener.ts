import type { IncomingMessage, ServerResponse } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { NodeHandler } from "./handler.ts";

/**
 * A listener for `node:http`, and a middleware for what builds on it, such as Express and NestJS.
 *
 * @example A server of Node.js that answers like a node
 * ```ts
 * import { createServer } from "node:http";
 * import { observe } from "../election/mod.ts";
 * import { NodeHandler, toNodeListener } from "./mod.ts";
 *
 * const node = new NodeHandler({ name: "jobs", id: "observer", url: "http://localhost:8080" });
 * await using jobs = observe({ name: "jobs", onEvent: node.onEvent });
 * node.show(jobs);
 * const server = createServer(toNodeListener(node.handle)).listen(0);
 * node.close();
 * server.close();
 * ```
 *
 * @param handle The handler, {@linkcode NodeHandler.handle}.
 * @returns A function that answers a request. It does not reject.
 */
export function toNodeListener(
  handle: NodeHandler["handle"],
): (request: IncomingMessage, response: ServerResponse) => Promise<void> {
  return async (request, response) => {
    const answer = await answerOf(handle, request);
    // Such a connection stays with a server that closes, after the stream has ended, until it has been idle for long.
    if (answer.headers.get("content-type") === "text/event-stream") response.shouldKeepAlive = false;
    response.writeHead(answer.status, Object.fromEntries(answer.headers));
    if (!answer.body) return void response.end();
    // A client that is gone is no error: the stream is cancelled.
    await pipeline(Readable.fromWeb(answer.body as Parameters<typeof Readable.fromWeb>[0]), response).catch(() => {});
  };
}

async function answerOf(handle: NodeHandler["handle"], request: IncomingMessage): Promise<Response> {
  const target = request.url ?? "/";
  // Clients that take a server for a proxy send the whole URL.
  const url = /^https?:\/\//i.test(target) ? target : `http://${request.headers.host ?? "localhost"}${target}`;
  if (!URL.canParse(url)) return new Response("invalid Host header\n", { status: 400 });
  // The Fetch API has no such requests.
  if (request.method === "TRACE") return new Response("method not implemented\n", { status: 501 });
  try {
    return await handle(requestOf(url, request), { remoteAddr: { hostname: request.socket.remoteAddress } });
  } catch {
    return new Response("internal error\n", { status: 500 });
  }
}

function requestOf(url: string, request: IncomingMessage): Request {
  const { method = "GET", rawHeaders } = request;
  const headers = new Headers();
  for (let index = 0; index < rawHeaders.length; index += 2) {
    headers.append(rawHeaders[index]!, rawHeaders[index + 1]!);
  }
  if (method === "GET" || method === "HEAD") return new Request(url, { method, headers });
  const body = Readable.toWeb(request) as unknown as ReadableStream<Uint8Array<ArrayBuffer>>;
  const init: RequestInit & { duplex: "half" } = { method, headers, body, duplex: "half" };
  return new Request(url, init);
}

import type { Queue } from "../election/mod.ts";
import type { NodeSnapshot } from "./answers.ts";

/** The origins of the candidates' URLs, until the queue changes. */
const made = new WeakMap<Queue, ReadonlySet<string>>();

/** Allows the pages of the nodes of this election to read an answer, and no other pages. */
export function allowPages(response: Response, request: Request, snapshot: () => NodeSnapshot): Response {
  const origin = request.headers.get("origin");
  if (origin === null || !isOfNode(origin, snapshot())) return response;
  response.headers.set("access-control-allow-origin", origin);
  response.headers.append("vary", "origin");
  return response;
}

function isOfNode(origin: string, { url, status: { queue } }: NodeSnapshot): boolean {
  let origins = made.get(queue);
  if (!origins) made.set(queue, origins = new Set(queue.flatMap(({ url }) => originOf(url))));
  return origins.has(origin) || originOf(url).includes(origin);
}

/** Sandboxed pages of anybody have the origin "null", as URLs other than these have. */
function originOf(url: string | undefined): string[] {
  const parsed = url === undefined ? null : URL.parse(url);
  return parsed && /^https?:$/.test(parsed.protocol) ? [parsed.origin] : [];
}

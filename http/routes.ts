import { historyTexts, membersText, type NodeSnapshot, readiness, statusBody } from "./answers.ts";
import { handleTransfer } from "./control.ts";
import type { EventStreams } from "./event_streams.ts";
import { pauseMs, type Verdict } from "./load.ts";
import { type Metrics, METRICS_TYPE } from "./metrics.ts";
import { allowPages } from "./origins.ts";
import { page } from "./page.ts";
import { json, jsonText, prefers, problem, respond, text } from "./respond.ts";

/** The state that routes answer from. */
export interface RouteContext {
  /** The state of the node at this moment. */
  readonly snapshot: () => NodeSnapshot;
  /** The answer to `GET /` as text, without the cost of a whole snapshot. */
  readonly roleLine: () => string;
  /** Counts a request; says what it gets, as this node may lead and have so many that its term is at risk. */
  readonly verdict: (vital: boolean) => Verdict;
  readonly events: EventStreams;
  readonly metrics: Metrics;
}

/** What a server knows of a client; `Deno.serve` passes it. */
export interface ClientInfo {
  /** The client's address, for the audit log. Read only if it is needed: most servers make it then. */
  readonly remoteAddr?: { readonly hostname?: string };
}

type Answer = Response | Promise<Response>;

interface Route {
  /** The path, also a label of the metrics. */
  readonly path: string;
  readonly methods: readonly string[];
  readonly answer: (context: RouteContext, request: Request, search: string, client?: ClientInfo) => Answer;
  /** Whether it is answered even by a leader that is overloaded. */
  readonly vital?: boolean;
  /** Whether OPTIONS gets the status that GET would get: some load balancers probe with OPTIONS. */
  readonly probe?: boolean;
}

/** How long clients that were turned away shall wait, in seconds. */
const RETRY_LATER = { "retry-after": "1" };

const VARY = { vary: "accept" };

const ROUTES: Readonly<Record<string, Route>> = Object.fromEntries([
  ...probe(["/leader", "/primary"], ({ state }) => state.role === "leader"),
  ...probe(["/follower", "/replica"], ({ state, inQueue }) => state.role === "follower" && inQueue),
  ...read(["/livez", "/health", "/healthz", "/liveness"], () => text(200, "ok"), true),
  ...read(["/readyz", "/readiness"], ({ snapshot }, _, search) => {
    const { ready, lines } = readiness(snapshot());
    const answer = ready ? "ok" : "not ready";
    return text(ready ? 200 : 503, new URLSearchParams(search).has("verbose") ? [...lines, answer].join("\n") : answer);
  }, true),
  ...read(["/"], ({ snapshot, roleLine }, request) => {
    switch (prefers(request)) {
      case "html":
        return page();
      case "json":
        return json(200, statusBody(snapshot()), VARY);
      case "text":
        return text(200, roleLine(), VARY);
    }
  }),
  ...read(["/status"], ({ snapshot }) => json(200, statusBody(snapshot()))),
  ...read(["/members", "/cluster"], ({ snapshot }) => jsonText(200, membersText(snapshot().status))),
  ...read(["/history"], ({ snapshot }) => jsonText(200, historyTexts(snapshot()).all)),
  ...read(["/events"], ({ events }, request) => {
    if (request.method === "HEAD") return respond(200, "text/event-stream", null);
    const stream = events.stream();
    if (!stream) return problem(request, 503, "too many event streams; try again later", RETRY_LATER);
    return respond(200, "text/event-stream", stream);
  }),
  ...read(["/metrics"], ({ metrics, snapshot }) => respond(200, METRICS_TYPE, metrics.text(snapshot()))),
  ...transfer("resign"),
  ...transfer("switchover"),
].map((route) => [route.path, route]));

const REDIRECT = "/redirect/";

/**
 * Matches path and query of most URLs, to avoid the cost of parsing. The runtime puts the Host header in front of the
 * path as it is, and a path begins with a slash: with one slash only, none of it can be the Host's.
 */
const PLAIN_URL = /^https?:\/\/[a-z0-9.-]+(?::\d+)?(\/[^/?#]*)(\?[^/#]*)?$/;

/** Answers a request of a client, computed against the clock at this moment. */
export function answer(context: RouteContext, request: Request, client?: ClientInfo): Answer {
  const [, path, search = ""] = PLAIN_URL.exec(request.url) ?? [];
  const known = path === undefined ? undefined : routeOf(path);
  const verdict = context.verdict(known?.vital === true);
  if (verdict === "refuse") return pause().then(() => count(context, known?.path ?? "other", turnedAway()));
  if (verdict === "delay") return pause().then(() => route(context, request, known, search, client));
  return route(context, request, known, search, client);
}

function route(
  context: RouteContext,
  request: Request,
  known: Route | undefined,
  search: string,
  client?: ClientInfo,
): Answer {
  if (known) return count(context, known.path, follow(known, context, request, search, client));
  const url = targetOf(request);
  if (!url) return count(context, "other", problem(request, 400, "invalid Host header"));
  if (url.pathname.startsWith(REDIRECT)) return count(context, REDIRECT, redirect(context, request, url));
  const found = routeOf(url.pathname);
  if (!found) {
    return count(context, "other", problem(request, 404, "not found; try / or /status"));
  }
  return count(context, found.path, follow(found, context, request, url.search, client));
}

/** What is asked for: what follows the Host in the URL, whatever the Host holds; undefined if that is invalid. */
function targetOf({ url, headers }: Request): URL | null {
  const host = headers.get("host") ?? "";
  if (/[^!-~]/.test(host)) return null;
  const afterHost = url.indexOf("://") + 3 + host.length;
  // A request with a whole URL instead of a path names another host, which the server has checked.
  const isOwn = host !== "" && url.slice(0, afterHost).endsWith(`://${host}`) && url[afterHost] === "/";
  const target = isOwn ? `http://host${url.slice(afterHost)}` : url;
  return URL.canParse(target) ? new URL(target) : null;
}

/** Whoever asks again and again, and waits for each answer, asks less in this way. */
function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, pauseMs()));
}

function turnedAway(): Response {
  return text(503, "overloaded; try again later", RETRY_LATER);
}

function routeOf(path: string): Route | undefined {
  return Object.hasOwn(ROUTES, path) ? ROUTES[path] : undefined;
}

function count(context: RouteContext, path: string, response: Answer): Answer {
  if (response instanceof Promise) return response.then((response) => count(context, path, response));
  context.metrics.countAnswer(path, response.status);
  return response;
}

function follow(route: Route, context: RouteContext, request: Request, search: string, client?: ClientInfo): Answer {
  if (route.methods.includes(request.method)) return route.answer(context, request, search, client);
  const allow = [...route.methods, "OPTIONS"].join(", ");
  if (request.method !== "OPTIONS") return problem(request, 405, `method not allowed; allowed: ${allow}`, { allow });
  return options(route, context, request, search, allow);
}

async function options(
  route: Route,
  context: RouteContext,
  request: Request,
  search: string,
  allow: string,
): Promise<Response> {
  const status = route.probe ? (await route.answer(context, request, search)).status : 204;
  return new Response(null, { status, headers: { allow, "cache-control": "no-store" } });
}

/** Redirects to the same path and query at the leader. */
function redirect({ snapshot }: RouteContext, request: Request, url: URL): Response {
  const { leader } = snapshot().status.state;
  if (!leader) return problem(request, 503, "there is no leader");
  if (!leader.url) return problem(request, 503, `the leader, ${leader.id}, has no URL`);
  const location = `${leader.url}/${url.pathname.slice(REDIRECT.length)}${url.search}`;
  return text(307, `the leader is at ${leader.url}`, { location });
}

function read(
  paths: readonly string[],
  make: (context: RouteContext, request: Request, search: string) => Response,
  probe = false,
): Route[] {
  const answer: Route["answer"] = (context, request, search) =>
    allowPages(make(context, request, search), request, context.snapshot);
  return paths.map((path) => ({ path, methods: ["GET", "HEAD"], answer, probe, vital: probe }));
}

function probe(paths: readonly string[], is: (status: NodeSnapshot["status"]) => boolean): Route[] {
  return read(paths, ({ snapshot }) => {
    const node = snapshot();
    return json(is(node.status) ? 200 : 503, statusBody(node));
  }, true);
}

function transfer(action: "resign" | "switchover"): Route[] {
  const answer: Route["answer"] = async ({ snapshot }, request, _, client) => {
    // On a socket for both families, IPv4 addresses look like this.
    const remote = client?.remoteAddr?.hostname?.replace(/^::ffff:/, "");
    const { status, body, problem: message } = await handleTransfer(snapshot, request, action, remote);
    if (body) return json(status, body);
    return problem(request, status, message!, status === 401 ? { "www-authenticate": "Bearer" } : {});
  };
  return [{ path: `/${action}`, methods: ["POST"], answer, vital: true }];
}

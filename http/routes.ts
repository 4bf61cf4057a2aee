import { type NodeSource, readiness, roleText, statusBody } from "./answers.ts";
import { moveLead } from "./control.ts";

type Route = (source: NodeSource, request: Request, url: URL) => Response;
type Action = (source: () => NodeSource, request: Request) => Promise<Response>;

const index: Route = (source, request) =>
  prefersJson(request) ? status(source) : text(200, roleText(source.status.state, source.url));

const status = (source: NodeSource) => json(200, statusBody(source));

const leader: Route = (source) => json(source.status.state.role === "leader" ? 200 : 503, statusBody(source));

const follower: Route = (source) => {
  const { state, takesPart } = source.status;
  return json(state.role === "follower" && takesPart ? 200 : 503, statusBody(source));
};

const live: Route = () => text(200, "ok");

const ready: Route = (source, _, url) => {
  const { ready, lines } = readiness(source);
  const answer = ready ? "ok" : "not ready";
  return text(ready ? 200 : 503, url.searchParams.has("verbose") ? [...lines, answer].join("\n") : answer);
};

const ROUTES: Readonly<Record<string, Route>> = {
  "/": index,
  "/status": status,
  "/leader": leader,
  "/primary": leader,
  "/follower": follower,
  "/replica": follower,
  "/livez": live,
  "/health": live,
  "/healthz": live,
  "/liveness": live,
  "/readyz": ready,
  "/readiness": ready,
};

const action = (named: boolean): Action => async (source, request) => {
  const { status, body, problem: message } = await moveLead(source, request, named);
  if (body) return json(status, body);
  return problem(request, status, message!, status === 401 ? { "www-authenticate": "Bearer" } : {});
};

const ACTIONS: Readonly<Record<string, Action>> = {
  "/resign": action(false),
  "/switchover": action(true),
};

const READS = "GET, HEAD, OPTIONS";
const ACTS = "POST, OPTIONS";

/** Answers a request. Every answer is computed against the clock at this moment. */
export function answer(source: () => NodeSource, request: Request): Response | Promise<Response> {
  const url = URL.parse(request.url);
  if (!url) return problem(request, 400, "this is no request: its Host is no host name");
  if (Object.hasOwn(ACTIONS, url.pathname)) return act(ACTIONS[url.pathname]!, source, request);
  const route = Object.hasOwn(ROUTES, url.pathname) ? ROUTES[url.pathname] : undefined;
  if (!route) return problem(request, 404, `there is nothing at this path; try / or /status`);
  switch (request.method) {
    case "GET":
    case "HEAD":
      return route(source(), request, url);
    case "OPTIONS": {
      const { status, headers } = route(source(), request, url);
      headers.set("allow", READS);
      return new Response(null, { status, headers });
    }
    default:
      return problem(request, 405, `this path answers ${READS}`, { allow: READS });
  }
}

function act(action: Action, source: () => NodeSource, request: Request): Response | Promise<Response> {
  if (request.method === "POST") return action(source, request);
  if (request.method === "OPTIONS") return new Response(null, { status: 204, headers: { allow: ACTS } });
  return problem(request, 405, `this path answers ${ACTS}`, { allow: ACTS });
}

function problem(request: Request, status: number, message: string, headers?: Record<string, string>): Response {
  return prefersJson(request) ? json(status, { error: message }, headers) : text(status, message, headers);
}

/** JSON is sent to those who name it and do not like text better. */
function prefersJson(request: Request): boolean {
  const accept = request.headers.get("accept") ?? "";
  return quality(accept, "application/json", "application/*") > quality(accept, "text/plain", "text/*", "*/*");
}

function quality(accept: string, ...types: string[]): number {
  for (const part of accept.split(",")) {
    const [type, ...parameters] = part.split(";").map((word) => word.trim().toLowerCase());
    if (!types.includes(type!)) continue;
    const q = parameters.find((parameter) => parameter.startsWith("q="));
    return q === undefined ? 1 : Number(q.slice(2)) || 0;
  }
  return 0;
}

function json(status: number, body: unknown, headers?: Record<string, string>): Response {
  return respond(status, "application/json", JSON.stringify(body) + "\n", headers);
}

function text(status: number, body: string, headers?: Record<string, string>): Response {
  return respond(status, "text/plain; charset=utf-8", body + "\n", headers);
}

function respond(status: number, type: string, body: string, headers?: Record<string, string>): Response {
  return new Response(body, {
    status,
    headers: { "content-type": type, "cache-control": "no-store", ...headers },
  });
}

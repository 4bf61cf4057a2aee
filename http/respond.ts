/** An answer that must not be cached: another node may lead a moment later. */
export function respond(
  status: number,
  type: string,
  body: BodyInit | null,
  headers: Record<string, string> = {},
): Response {
  return new Response(body, {
    status,
    headers: { "content-type": type, "cache-control": "no-store", ...headers },
  });
}

export function json(status: number, body: unknown, headers?: Record<string, string>): Response {
  return jsonText(status, JSON.stringify(body), headers);
}

/** An answer of JSON that is serialized already. */
export function jsonText(status: number, body: string, headers?: Record<string, string>): Response {
  return respond(status, "application/json", body + "\n", headers);
}

export function text(status: number, body: string, headers?: Record<string, string>): Response {
  return respond(status, "text/plain; charset=utf-8", body + "\n", headers);
}

/** An error message, as JSON or text, whichever the client prefers. */
export function problem(
  request: Request,
  status: number,
  message: string,
  headers?: Record<string, string>,
): Response {
  return prefers(request) === "json" ? json(status, { error: message }, headers) : text(status, message, headers);
}

/** The format that the client prefers: text, unless it names JSON or HTML with a higher quality. */
export function prefers(request: Request): "text" | "json" | "html" {
  const accept = request.headers.get("accept") ?? "*/*";
  if (accept === "*/*") return "text";
  const html = quality(accept, "text/html");
  const json = quality(accept, "application/json", "application/*");
  const named = quality(accept, "text/plain");
  if (html > 0 && html >= named && html >= json) return "html";
  return json > (named || quality(accept, "text/*", "*/*")) ? "json" : "text";
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

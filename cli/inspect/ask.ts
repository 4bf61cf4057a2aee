/** A node or etcd did not answer, or refused. The message is one line for the user. */
export class AskError extends Error {
  override readonly name = "AskError";
}

/** A node's answer. */
export interface Answer {
  readonly body: Record<string, unknown>;
  /** Time from request to answer, in milliseconds. */
  readonly tookMs: number;
  /** Wall-clock time half-way between request and answer, in milliseconds since the epoch. */
  readonly at: number;
}

const TIMEOUT_MS = 3000;

/**
 * Requests JSON from a node.
 *
 * @throws {AskError} If it does not answer, or not with JSON and a 2xx status.
 */
export async function askNode(url: string, init: RequestInit = {}, timeoutMs = TIMEOUT_MS): Promise<Answer> {
  const [began, beganAt] = [performance.now(), Date.now()];
  let response: Response;
  try {
    const headers = { ...init.headers, accept: "application/json" };
    response = await fetch(url, { ...init, headers, signal: AbortSignal.timeout(timeoutMs), redirect: "error" });
  } catch (error) {
    throw new AskError(`${url} cannot be reached: ${reason(error, timeoutMs)}`);
  }
  const tookMs = performance.now() - began;
  const body = await response.json().catch(() => undefined);
  if (response.ok && body) return { body, tookMs, at: beganAt + tookMs / 2 };
  const { status } = response;
  throw new AskError(
    body?.error ? `${url} answered ${status}: ${body.error}` : `${url} answered ${status}, but is not a leader-node`,
  );
}

function reason(error: unknown, timeoutMs: number): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const text = cause instanceof Error ? cause.message : String(cause);
  if (error instanceof DOMException && error.name === "TimeoutError") return `no answer within ${timeoutMs / 1000} s`;
  if (/connection refused/i.test(text)) return "connection refused";
  return text;
}

/** A node, or etcd, did not say what was asked. */
export class AskError extends Error {
  override readonly name = "AskError";
}

/** What a node answered. */
export interface Answer {
  readonly body: Record<string, unknown>;
  /** How long it took, in milliseconds. */
  readonly tookMs: number;
  /** Wall time half-way between question and answer. */
  readonly at: number;
}

const TIMEOUT_MS = 3000;

/**
 * Asks a node over HTTP for JSON.
 *
 * @throws {AskError} If it does not answer, or not with success.
 */
export async function askNode(url: string, init: RequestInit = {}, timeoutMs = TIMEOUT_MS): Promise<Answer> {
  const [began, beganAt] = [performance.now(), Date.now()];
  let response: Response;
  try {
    const headers = { ...init.headers, accept: "application/json" };
    response = await fetch(url, { ...init, headers, signal: AbortSignal.timeout(timeoutMs), redirect: "error" });
  } catch (error) {
    throw new AskError(`${url} cannot be asked: ${reason(error, timeoutMs)}`);
  }
  const tookMs = performance.now() - began;
  const body = await response.json().catch(() => undefined);
  if (response.ok && body) return { body, tookMs, at: beganAt + tookMs / 2 };
  throw new AskError(`${url} answers ${response.status}: ${body?.error ?? "no node of leader-node"}`);
}

function reason(error: unknown, timeoutMs: number): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const text = cause instanceof Error ? cause.message : String(cause);
  if (error instanceof DOMException && error.name === "TimeoutError") return `no answer within ${timeoutMs / 1000} s`;
  if (/connection refused/i.test(text)) return "connection refused";
  return text;
}

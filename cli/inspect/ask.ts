import { parseError } from "./node_answers.ts";

/** A node or etcd did not answer, or refused. The message is one line for the user. */
export class AskError extends Error {
  override readonly name = "AskError";
}

/** A node has not answered in time. */
export class NoAnswerError extends AskError {}

/** A node's answer. */
export interface Answer<T> {
  readonly body: T;
  /** Time from request to answer, in milliseconds. */
  readonly tookMs: number;
  /** Wall-clock time half-way between request and answer, in milliseconds since the epoch. */
  readonly at: number;
}

/** What to send instead of GET. */
export interface AskOptions {
  readonly post?: { readonly token: string; readonly body: unknown };
  readonly timeoutMs?: number;
}

const TIMEOUT_MS = 3000;
/** Bytes of an answer: more than a history of 200 terms with long names has. */
const MAX_BODY = 4 * 2 ** 20;

/**
 * Requests JSON from a node. Whatever answers there, it gets no more than the timeout and the size of an answer.
 *
 * @throws {AskError} If it does not answer in time, or not with a 2xx status and JSON that `parse` accepts.
 */
export async function askNode<T>(
  url: string,
  parse: (body: unknown) => T | undefined,
  { post, timeoutMs = TIMEOUT_MS }: AskOptions = {},
): Promise<Answer<T>> {
  const [began, beganAt] = [performance.now(), Date.now()];
  const headers: Record<string, string> = { accept: "application/json" };
  if (post) headers.authorization = `Bearer ${post.token}`;
  const client = loopbackClient(url);
  try {
    const response = await fetch(url, {
      method: post ? "POST" : "GET",
      body: post && JSON.stringify(post.body),
      headers,
      signal: AbortSignal.timeout(timeoutMs),
      redirect: "error",
      client,
    });
    const tookMs = performance.now() - began;
    const body = parseJson(await readText(response));
    const value = response.ok ? parse(body) : undefined;
    if (value !== undefined) return { body: value, tookMs, at: beganAt + tookMs / 2 };
    const problem = response.ok ? undefined : parseError(body);
    throw new AskError(
      `${url} answered ${response.status}${problem === undefined ? ", but is not a leader-node" : `: ${problem}`}`,
    );
  } catch (error) {
    if (error instanceof AskError) throw error;
    const message = `${url} cannot be reached: ${reason(error, timeoutMs)}`;
    throw isTimeout(error) ? new NoAnswerError(message) : new AskError(message);
  } finally {
    client?.close();
  }
}

/** Whether a URL's host is this machine itself. */
export function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127\.\d+\.\d+\.\d+$/.test(hostname);
}

/** Bypasses `HTTP_PROXY` for this machine's own nodes. Deno has no way to do so with TLS, which shows nothing. */
function loopbackClient(url: string): Deno.HttpClient | undefined {
  const { protocol, hostname, port } = new URL(url);
  if (protocol !== "http:" || !isLoopback(hostname)) return undefined;
  return Deno.createHttpClient({ proxy: { transport: "tcp", hostname, port: Number(port || 80) } });
}

/** The body as text; empty if it is too long. */
async function readText({ body }: Response): Promise<string> {
  const decoder = new TextDecoder();
  let [text, size] = ["", 0];
  for await (const piece of body ?? []) {
    size += piece.length;
    // Leaving the loop cancels the body.
    if (size > MAX_BODY) return "";
    text += decoder.decode(piece, { stream: true });
  }
  return text;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isTimeout(error: unknown): boolean {
  return error instanceof DOMException && error.name === "TimeoutError";
}

function reason(error: unknown, timeoutMs: number): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const text = textOf(cause);
  if (isTimeout(error)) return `no answer within ${timeoutMs / 1000} s`;
  if (/connection refused|ECONNREFUSED/i.test(text)) return "connection refused";
  if (/dns error|ENOTFOUND|EAI_AGAIN/.test(text)) return "its host name is not known here";
  return text.replace(/^error sending request.*?: client error \(\w+\): /, "");
}

function textOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // Node.js says no more where it has tried several addresses.
  return error.message || ("code" in error ? String(error.code) : error.name);
}

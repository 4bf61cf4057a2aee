import { HandoffError, OverrunError } from "../election/internal.ts";
import type { RoleState } from "../election/mod.ts";
import type { Control, NodeSnapshot } from "./answers.ts";

/** How long to wait for a new leader. */
const NEW_LEADER_MS = 5000;
const POLL_MS = 2;
/** In characters. */
const MAX_BODY = 4096;

/** The answer to a transfer request: an HTTP status, and a body or an error message. */
export interface TransferResult {
  readonly status: number;
  readonly body?: Record<string, unknown>;
  readonly problem?: string;
}

/** The body of a transfer request. */
interface TransferRequest {
  /** Transfer only if this node is the leader. */
  readonly leader?: string;
  /** The next leader; absent for the waiting candidate with the highest priority. */
  readonly candidate?: string;
}

/** Answers `POST /resign` and `POST /switchover`. */
export async function handleTransfer(
  snapshot: () => NodeSnapshot,
  request: Request,
  action: "resign" | "switchover",
  remote?: string,
): Promise<TransferResult> {
  const { control } = snapshot();
  if (!control) return { status: 403, problem: "leadership transfers are disabled: this node has no control token" };
  if (!await isAuthorized(request, control)) {
    control.onRefused?.({ request: action, remote });
    return { status: 401, problem: "expected Authorization: Bearer CONTROL-TOKEN" };
  }
  const transfer = await readTransfer(request, action);
  if ("status" in transfer) return transfer;
  const { state, queue } = snapshot().status;
  const { leader, candidate } = transfer;
  if (leader !== undefined && state.leader?.id !== leader) {
    return { status: 412, problem: `${leader} is not the leader: ${state.leader?.id ?? "nobody"} is` };
  }
  if (state.role !== "leader") return { status: 503, problem: notLeaderMessage(state) };
  const { token } = state.term;
  const to = queue.find((one) => one.id === candidate && one.token > token);
  if (candidate !== undefined && !to) return { status: 412, problem: `${candidate} is not waiting in the queue` };
  control.onRequest({ request: action, candidate });
  try {
    await control.resign({ to });
  } catch (error) {
    if (error instanceof HandoffError) {
      return { status: 412, problem: `${candidate} cannot lead next: ${error.reason}` };
    }
    // Leadership was given up all the same.
    if (!(error instanceof OverrunError)) throw error;
  }
  const next = await newLeader(snapshot, token);
  if (to && next?.token !== to.token) {
    return { status: 503, problem: `${candidate} did not become the leader: ${next?.id ?? "nobody"} leads now` };
  }
  return { status: next ? 200 : 202, body: { leader: next?.id ?? null, leader_url: next?.url ?? null } };
}

/** Made once: a new key for each request would cost more than all else. */
let hmacKey: Promise<CryptoKey> | undefined;

async function isAuthorized(request: Request, { token }: Control): Promise<boolean> {
  const given = /^Bearer +(\S+) *$/i.exec(request.headers.get("authorization") ?? "")?.[1];
  if (given === undefined) return false;
  const encoder = new TextEncoder();
  // Constant-time comparison: HMAC both sides with a random key.
  hmacKey ??= crypto.subtle.generateKey({ name: "HMAC", hash: "SHA-256" }, false, ["sign", "verify"]);
  const key = await hmacKey;
  const signature = await crypto.subtle.sign("HMAC", key, encoder.encode(token));
  return await crypto.subtle.verify("HMAC", key, signature, encoder.encode(given));
}

/** Parses the body, which is optional for `resign`. */
async function readTransfer(
  request: Request,
  action: "resign" | "switchover",
): Promise<TransferRequest | TransferResult> {
  const named = action === "switchover";
  const expected = named
    ? `expected JSON such as {"leader": "node-a", "candidate": "node-b"}`
    : `expected no body, or JSON such as {"leader": "node-a"}`;
  const text = await readBody(request);
  if (text === undefined) return { status: 413, problem: `the body is too long; ${expected}` };
  if (!named && text.trim() === "") return {};
  try {
    const { leader, candidate } = JSON.parse(text);
    const isName = (name: unknown) => typeof name === "string" && name !== "";
    if (isName(leader) && (candidate === undefined || (named && isName(candidate)))) return { leader, candidate };
  } catch {
    // Not a JSON object.
  }
  return { status: 400, problem: expected };
}

async function readBody(request: Request): Promise<string | undefined> {
  let text = "";
  const decoder = new TextDecoder();
  for await (const piece of request.body ?? []) {
    text += decoder.decode(piece, { stream: true });
    if (text.length > MAX_BODY) return undefined;
  }
  return text;
}

function notLeaderMessage({ leader }: RoleState): string {
  if (!leader) return "there is no leader";
  return `this node is not the leader; ask ${leader.id}${leader.url ? ` at ${leader.url}` : ""}`;
}

/** The leader after the term with this token; undefined if there is none in time. */
async function newLeader(snapshot: () => NodeSnapshot, token: bigint): Promise<RoleState["leader"]> {
  const until = performance.now() + NEW_LEADER_MS;
  while (performance.now() < until) {
    const { state: { leader }, queue } = snapshot().status;
    if (leader && leader.token > token) return leader;
    if (queue.length === 0) return undefined;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

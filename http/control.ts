import { HandoffError } from "../election/internal.ts";
import type { RoleState } from "../election/mod.ts";
import type { Control, NodeSnapshot } from "./answers.ts";

/** How long to wait for a successor. */
const SUCCESSOR_MS = 5000;
const LOOK_EVERY_MS = 2;
const MAX_BODY = 4096;

/** What came of a request to move the lead: a status, and a body or what went wrong. */
export interface TransferResult {
  readonly status: number;
  readonly body?: Record<string, unknown>;
  readonly problem?: string;
}

/** Who is to lead no more, and who is to lead next; anybody, where nobody is named. */
interface Wanted {
  readonly leader?: string;
  readonly candidate?: string;
}

/** `POST /resign` and `POST /switchover`. */
export async function handleTransfer(
  snapshot: () => NodeSnapshot,
  request: Request,
  named: boolean,
): Promise<TransferResult> {
  const { control } = snapshot();
  if (!control) return { status: 403, problem: "this node does not let the lead be moved: it has no control token" };
  if (!await isAuthorized(request, control)) {
    return { status: 401, problem: "expected Authorization: Bearer CONTROL-TOKEN" };
  }
  const wanted = await readWanted(request, named);
  if ("status" in wanted) return wanted;
  const { state, queue } = snapshot().status;
  const { leader, candidate } = wanted;
  if (leader !== undefined && state.leader?.id !== leader) {
    return {
      status: 412,
      problem: `${leader} does not lead: ${state.leader ? `${state.leader.id} does` : "nobody does"}`,
    };
  }
  if (state.role !== "leader") return { status: 503, problem: elsewhere(state) };
  const { token } = state.term;
  const to = queue.find((one) => one.id === candidate && one.token > token);
  if (candidate !== undefined && !to) return { status: 412, problem: `${candidate} does not wait for the lead` };
  control.onRequest({ request: named ? "switchover" : "resign", candidate });
  try {
    await control.resign({ to });
  } catch (error) {
    if (!(error instanceof HandoffError)) throw error;
    return { status: 412, problem: `${candidate} cannot be next: a candidate of another program waits before it` };
  }
  const next = await successor(snapshot, token);
  if (to && next?.token !== to.token) return { status: 503, problem: `${next?.id ?? "nobody"} leads now` };
  return { status: next ? 200 : 202, body: { leader: next?.id ?? null, leader_url: next?.url ?? null } };
}

async function isAuthorized(request: Request, { token }: Control): Promise<boolean> {
  const given = /^Bearer +(\S+) *$/i.exec(request.headers.get("authorization") ?? "")?.[1] ?? "";
  const encoder = new TextEncoder();
  // How long it takes to verify a signature tells nothing of what was signed.
  const key = await crypto.subtle.generateKey({ name: "HMAC", hash: "SHA-256" }, false, ["sign", "verify"]);
  const signature = await crypto.subtle.sign("HMAC", key, encoder.encode(token));
  return await crypto.subtle.verify("HMAC", key, signature, encoder.encode(given));
}

/** What the body says; a resignation needs none, but may name who is to resign. */
async function readWanted(request: Request, named: boolean): Promise<Wanted | TransferResult> {
  const expected = named
    ? `expected JSON such as {"leader": "node-a", "candidate": "node-b"}`
    : `expected no body, or JSON such as {"leader": "node-a"}`;
  const text = await readBody(request);
  if (text === undefined) return { status: 413, problem: `the body is too long: ${expected}` };
  if (!named && text.trim() === "") return {};
  try {
    const { leader, candidate } = JSON.parse(text);
    const isName = (name: unknown) => typeof name === "string" && name !== "";
    if (isName(leader) && (candidate === undefined || (named && isName(candidate)))) return { leader, candidate };
  } catch {
    // It is no JSON object.
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

function elsewhere({ leader }: RoleState): string {
  if (!leader) return "there is no leader";
  return `this node does not lead: ask ${leader.id}${leader.url ? ` at ${leader.url}` : ""}`;
}

/** Who leads after the term with this token. */
async function successor(snapshot: () => NodeSnapshot, token: bigint): Promise<RoleState["leader"]> {
  const until = performance.now() + SUCCESSOR_MS;
  while (performance.now() < until) {
    const { state: { leader }, queue } = snapshot().status;
    if (leader && leader.token > token) return leader;
    if (queue.length === 0) return undefined;
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
}

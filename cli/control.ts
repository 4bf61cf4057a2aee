import type { ControlConfig } from "./control_flags.ts";

/** What the nodes answered was no. */
export class ControlError extends Error {
  override readonly name = "ControlError";
}

const TIMEOUT_MS = 30_000;

/**
 * Asks the leader to hand the lead on, and says in a line what came of it.
 *
 * @throws {ControlError} If it did not, with a line that says why.
 */
export async function moveLead({ action, url, leader, candidate, token }: ControlConfig): Promise<string> {
  const status = await ask(`${url}/status`);
  if (!status.leader) throw new ControlError("there is no leader");
  if (leader !== undefined && leader !== status.leader) {
    throw new ControlError(`${status.leader} leads, not ${leader}`);
  }
  if (!status.leader_url) throw new ControlError(`${status.leader} leads and does not say where it can be asked`);
  const next = await ask(`${status.leader_url}/${action}`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}` },
    body: JSON.stringify({ leader: status.leader, candidate }),
  });
  return next.leader ? `${next.leader} leads, ${status.leader} did` : `${status.leader} has resigned; nobody leads yet`;
}

async function ask(url: string, init: RequestInit = {}): Promise<Record<string, string | null>> {
  let response: Response;
  try {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const headers = { ...init.headers, accept: "application/json" };
    response = await fetch(url, { ...init, headers, signal, redirect: "error" });
  } catch (error) {
    throw new ControlError(`${url} cannot be asked: ${error instanceof Error ? error.message : error}`);
  }
  const body = await response.json().catch(() => undefined);
  if (response.ok && body) return body;
  throw new ControlError(`${url} answers ${response.status}: ${body?.error ?? "no node of leader-node"}`);
}

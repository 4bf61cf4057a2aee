import { printable } from "../errors.ts";
import type { Candidate, LeaveReason, QueueChange, Self } from "../machine/queue.ts";
import type { KeyEvent, KeyValue } from "./client.ts";

const LEAVE_REASONS: readonly LeaveReason[] = ["resigned", "switchover", "crashed"];
const MAX_NAME_LENGTH = 200;
const encoder = new TextEncoder();
const decoder = new TextDecoder();
const strictDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Values longer than this are no candidates of ours: only their beginning is read, as a name. */
const MAX_VALUE_BYTES = 16 * 1024;

/** The first character of a key that is written byte by byte. */
const BYTEWISE = "\uFFFD";

/** The bytes of a key. */
export function keyBytes(key: string): Uint8Array {
  if (!key.startsWith(BYTEWISE)) return encoder.encode(key);
  return Uint8Array.from(key.slice(1), (character) => character.charCodeAt(0));
}

/** A key as text from which `keyBytes` makes the same key again: if it is not valid UTF-8, byte by byte. */
export function keyText(key: Uint8Array): string {
  try {
    const text = strictDecoder.decode(key);
    if (!text.startsWith(BYTEWISE)) return text;
  } catch {
    // It is not valid UTF-8.
  }
  let text = BYTEWISE;
  for (const byte of key) text += String.fromCharCode(byte);
  return text;
}

/** The range of all keys that begin with `prefix`, which ends with a slash. */
export function prefixRange(prefix: string): { key: Uint8Array; range_end: Uint8Array } {
  return { key: keyBytes(prefix), range_end: keyBytes(prefix.slice(0, -1) + "0") };
}

/** An event of a watch. */
export function keyEvent(deleted: boolean, kv: KeyValue): KeyEvent {
  const change: QueueChange = deleted
    ? { type: "delete", key: keyText(kv.key) }
    : { type: "put", candidate: candidateOf(kv) };
  return { revision: BigInt(kv.mod_revision), change };
}

/** The candidate of a key. */
export function candidateOf({ key, value, create_revision, lease }: KeyValue): Candidate {
  const candidate = decodeCandidate(keyText(key), BigInt(create_revision), value);
  return lease === "0" ? { ...candidate, leaseless: true } : candidate;
}

/** A leader-node candidate's value: compact JSON. */
export function encodeCandidate({ id, url, priority = 0, meta }: Self, since: Date): Uint8Array {
  return encoder.encode(JSON.stringify({ id, url, since: since.toISOString(), priority, meta }));
}

/** A candidate's description as others read it. */
export function publicSelf({ id, url, priority, meta }: Self): Self {
  return { id: printable(id, MAX_NAME_LENGTH), url: httpUrl(url), priority, ...metaOf(meta) };
}

/** The value of another candidate, to which the leader with `token` hands over. */
export function encodeSuccessor(
  { id, url, since, priority, meta }: Candidate,
  token: bigint,
  left: LeaveReason,
): Uint8Array {
  return encoder.encode(JSON.stringify({ id, url, since, priority, meta, after: { token: String(token), left } }));
}

/** The value of a leader that is about to leave without a handoff. */
export function encodeLeaving({ id, url, priority = 0, meta }: Self, leaving: LeaveReason): Uint8Array {
  return encoder.encode(JSON.stringify({ id, url, priority, meta, leaving }));
}

/**
 * Reads a candidate's value. It is untrusted: a value of another program is used as the name, sanitized so that it
 * cannot break a log line, a header or a page.
 */
export function decodeCandidate(key: string, token: bigint, value: Uint8Array): Candidate {
  const isLong = value.length > MAX_VALUE_BYTES;
  const text = decoder.decode(isLong ? value.subarray(0, 8 * MAX_NAME_LENGTH) : value);
  const fields = isLong ? undefined : parseObject(text);
  return {
    key,
    token,
    id: printable(typeof fields?.id === "string" ? fields.id : text, MAX_NAME_LENGTH) ||
      key.slice(key.lastIndexOf("/") + 1),
    url: httpUrl(fields?.url),
    since: date(fields?.since),
    priority: Number.isSafeInteger(fields?.priority) ? fields!.priority as number : undefined,
    leaving: leaveReason(fields?.leaving),
    after: predecessor(fields?.after),
    ...metaOf(fields?.meta),
  };
}

/** What a candidate says about itself: texts by name, in printable characters; nothing of all else. */
function metaOf(value: unknown): { meta: Readonly<Record<string, string>> } | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  const texts = Object.entries(value).filter(([, text]) => typeof text === "string");
  return { meta: Object.fromEntries(texts.map(([name, text]) => [printable(name), printable(text)])) };
}

function leaveReason(value: unknown): LeaveReason | undefined {
  return LEAVE_REASONS.find((reason) => reason === value);
}

function predecessor(value: unknown): Candidate["after"] {
  const { token, left } = (value ?? {}) as Record<string, unknown>;
  const reason = leaveReason(left);
  return reason && typeof token === "string" && /^\d{1,19}$/.test(token)
    ? { token: BigInt(token), left: reason }
    : undefined;
}

function parseObject(text: string): Record<string, unknown> | undefined {
  if (!text.startsWith("{")) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function httpUrl(value: unknown): string | undefined {
  const url = typeof value === "string" && URL.canParse(value) && new URL(value);
  // Whoever reads the result again must find the same: a candidate whose key says something else writes it again.
  return url && /^https?:$/.test(url.protocol) && !url.username && !url.password && url.href.length <= 2048
    ? url.href.replace(/\/+$/, "")
    : undefined;
}

function date(value: unknown): Date | undefined {
  const parsed = new Date(typeof value === "string" ? value : NaN);
  return Number.isNaN(parsed.getTime()) ? undefined : parsed;
}

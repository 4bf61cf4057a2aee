import { MAX_ELEMENTS } from "../limits.ts";
import type { KeyValue, RangeAnswer, TxnAnswer } from "../client.ts";

/** A JSON object. */
export type Json = Readonly<Record<string, unknown>>;

/** A request in the gateway's JSON: bytes in base64, enum values in upper case. */
export function toJson(request: unknown): string {
  return JSON.stringify(request, (name, value) => {
    if (value instanceof Uint8Array) return toBase64(value);
    return ENUM_FIELDS.has(name) ? String(value).toUpperCase() : value;
  });
}

const ENUM_FIELDS = new Set(["target", "result", "sort_target", "sort_order"]);

/** A key has some seven fields, and each has a comma. */
const MAX_COMMAS = 8 * MAX_ELEMENTS;

/**
 * Parses a JSON object; undefined if it is none.
 *
 * @throws {Error} If it has too many elements.
 */
export function fromJson(text: string): Json | undefined {
  if (text.length > MAX_COMMAS && commas(text) > MAX_COMMAS) {
    throw new Error(`14 UNAVAILABLE: the server sent more than ${MAX_ELEMENTS} elements at once`);
  }
  try {
    const value = JSON.parse(text);
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Keys and values, in base64, have none. */
function commas(text: string): number {
  let count = 0;
  for (let at = text.indexOf(","); at >= 0; at = text.indexOf(",", at + 1)) count++;
  return count;
}

// The gateway omits fields that are empty, false or zero.

/** The response to a range request. */
export function rangeAnswer({ header, kvs = [], count = "0" }: Json): RangeAnswer {
  return { header: header as RangeAnswer["header"], kvs: (kvs as Json[]).map(keyValue), count: String(count) };
}

/** The response to a transaction. */
export function txnAnswer({ header, succeeded = false, responses = [] }: Json): TxnAnswer {
  return {
    header: header as TxnAnswer["header"],
    succeeded: succeeded === true,
    responses: (responses as Json[]).map(({ response_range: range }) =>
      range ? { response_range: rangeAnswer(range as Json) } : {}
    ),
  };
}

/** A key of a response or an event. */
export function keyValue(
  { key = "", value = "", create_revision = "0", mod_revision = "0", lease = "0" }: Json,
): KeyValue {
  return {
    key: bytes(String(key)),
    value: bytes(String(value)),
    create_revision: String(create_revision),
    mod_revision: String(mod_revision),
    lease: String(lease),
  };
}

/** Newer runtimes decode base64 without a call for each byte. */
const { fromBase64 } = Uint8Array as { fromBase64?: (text: string) => Uint8Array };

function bytes(base64: string): Uint8Array {
  if (fromBase64) return fromBase64.call(Uint8Array, base64);
  const text = atob(base64);
  const decoded = new Uint8Array(text.length);
  for (let index = 0; index < text.length; index++) decoded[index] = text.charCodeAt(index);
  return decoded;
}

/** For keys and values of our own, which are short. */
function toBase64(value: Uint8Array): string {
  let text = "";
  for (const byte of value) text += String.fromCharCode(byte);
  return btoa(text);
}

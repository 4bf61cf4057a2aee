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

/** Parses a JSON object; undefined if it is none. */
export function fromJson(text: string): Json | undefined {
  try {
    const value = JSON.parse(text);
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
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

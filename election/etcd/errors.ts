import { StoreError } from "../store.ts";

/** What etcd tells of a watch that it ends. */
export function cancelled(
  { compact_revision = "0", cancel_reason }: { compact_revision?: string; cancel_reason?: string },
): Error {
  if (compact_revision !== "0") return new CompactedError("the watch was cancelled: its revision was compacted");
  return new Error(`the watch was cancelled: ${cancel_reason}`);
}

/** What a watch would have told is not kept any more. */
export class CompactedError extends Error {}

/** No answer came in time. */
export function silent(what: string): Error {
  return new Error(`4 DEADLINE_EXCEEDED: ${what}`);
}

/** Whether etcd has done nothing because the token is too old, or was got before its users changed or there were any. */
export function isStaleToken(error: unknown): boolean {
  return /invalid auth token|revision of auth store is old|user name is empty/.test(String(error));
}

/** Whether etcd lets anybody in: then there is no token, and none is needed. */
export function isOpenToAll(error: unknown): boolean {
  return String(error).includes("authentication is not enabled");
}

/** What went wrong, for the election and for a person. */
export function storeError(error: unknown, endpoint: string): StoreError {
  if (error instanceof StoreError) return error;
  const text = error instanceof Error ? error.message : String(error);
  const host = endpoint.replace(/^https?:\/\//, "");
  const [, code, detail = text] = /(\d+) [A-Z_]+: (.*)/s.exec(text) ?? [];
  const cause = { cause: error };
  if (text.includes("requested lease not found")) {
    return new StoreError("lease-gone", "the lease has expired or was revoked", cause);
  }
  if (code === "4") return new StoreError("unreachable", `etcd at ${host} does not answer`, cause);
  const answered = /etcdserver: (.*)/.exec(text)?.[1];
  if (answered !== undefined) {
    const lasting = code !== "14" && !isStaleToken(error);
    return new StoreError(lasting ? "refused" : "unreachable", `etcd at ${host} returned an error: ${answered}`, cause);
  }
  let reason = shortReason(detail);
  if (reason === HUNG_UP && !endpoint.startsWith("https:")) reason = CLOSED;
  if (reason === CLOSED && endpoint.startsWith("https:")) reason += ": it may require a trusted client certificate";
  return new StoreError("unreachable", `etcd at ${host} cannot be reached: ${reason}`, cause);
}

const CLOSED = "connection closed";
const HUNG_UP = "connection closed during the TLS handshake: it may require a trusted client certificate";

/** What TLS says, and what it means to a person. */
const TLS_REASONS: readonly [sign: string, reason: string][] = [
  [
    "must not be an IP address",
    "TLS needs a host name as the endpoint, or a server name for the IP address",
  ],
  ["unable to verify the first certificate", "its certificate is not signed by a trusted CA, or has expired"],
  ["UnknownIssuer", "its certificate is not signed by a trusted CA, or has expired"],
  ["self-signed certificate", "its certificate is not signed by a trusted CA"],
  ["certificate has expired", "its certificate has expired"],
  ["certificate expired", "its certificate has expired"],
  ["certificate: Expired", "its certificate has expired"],
  ["NotValidForName", "its certificate is for another host name"],
  ["not valid for name", "its certificate is for another host name"],
  ["ERR_TLS_CERT_ALTNAME_INVALID", "its certificate is for another host name"],
  ["does not match certificate's altnames", "its certificate is for another host name"],
  ["write EPIPE", HUNG_UP],
  ["CertificateRequired", "it requires a client certificate"],
  ["BadCertificate", "it does not trust the client certificate"],
  ["UnknownCA", "it does not trust the client certificate"],
  ["KeyMismatch", "the client certificate and its key do not match"],
  ["unsupported protocol", "the client certificate and its key do not match"],
];

function shortReason(detail: string): string {
  if (/ECONNREFUSED|Connection refused/.test(detail)) return "connection refused";
  if (detail.includes("RST_STREAM") || detail.includes("ECONNRESET")) return CLOSED;
  for (const [sign, reason] of TLS_REASONS) if (detail.includes(sign)) return reason;
  if (/broken pipe|connection (reset|closed)/i.test(detail)) return CLOSED;
  const last = /Last error: (?:Error: )?(.*?)\.? Resolution note:/s.exec(detail)?.[1] ??
    detail.replace(/^error sending request.*? for url \(\S*\): (client error \(\w+\): )?/, "");
  return last.replaceAll(/\s+/g, " ").slice(0, 200);
}

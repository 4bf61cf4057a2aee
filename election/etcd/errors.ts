import { missingPermission } from "../errors.ts";
import { StoreError } from "../store.ts";

/** The error of a watch that etcd cancelled. */
export function cancelled(
  { compact_revision = "0", cancel_reason }: { compact_revision?: string; cancel_reason?: string },
): Error {
  if (compact_revision !== "0") return new CompactedError("the watch was cancelled: its revision was compacted");
  return new Error(`the watch was cancelled: ${cancel_reason}`);
}

/** A watch failed because its revision was compacted. */
export class CompactedError extends Error {}

/** The error of a call or a watch that was not answered in time. */
export function deadlineExceeded(what: string): Error {
  return new Error(`4 DEADLINE_EXCEEDED: ${what}`);
}

/** The error of an established connection that was closed. */
export function connectionClosed(what: string): Error {
  return new ConnectionClosedError(`14 UNAVAILABLE: ${what}`);
}

class ConnectionClosedError extends Error {}

/** etcd has answered something that cannot be right. */
export class InvalidAnswerError extends Error {}

/** An endpoint that cannot be used as it is. The message goes on after "etcd at HOST". */
class EndpointError extends Error {}

/** The error of an endpoint that is etcd's gRPC proxy. */
export function grpcProxyRefused(): Error {
  return new EndpointError(
    "is etcd's gRPC proxy, which answers renewals with old news: use the endpoints of etcd itself",
  );
}

/** The error of a watch of which nothing comes, though calls are answered. */
export function watchHeldBack(): Error {
  return new EndpointError(
    "answers calls, but nothing comes of a watch: a proxy in between that buffers responses must stop that " +
      "(nginx: proxy_buffering off)",
  );
}

/** The error of a gRPC client that cannot be loaded: most often a bundler has left out, or broken, what it needs. */
export function cannotLoadGrpc(error: unknown): unknown {
  const text = error instanceof Error ? error.message : String(error);
  if (missingPermission(text) !== undefined) return error;
  const advice = "a bundle must leave leader-node out (esbuild: --packages=external), or use transport gateway";
  return new StoreError("unreachable", `the gRPC client cannot be loaded: ${text.slice(0, 200)}; ${advice}`, {
    cause: error,
    // To read the files may fail for want of open files; that passes.
    hopeless: !/EMFILE|ENFILE|too many open files/i.test(text),
  });
}

/** Whether etcd rejected a call because the token expired or is older than a change of etcd's users. */
export function isStaleToken(error: unknown): boolean {
  return /invalid auth token|revision of auth store is old|user name is empty/.test(String(error));
}

/** Whether etcd has authentication disabled: then there is no token, and none is needed. */
export function isAuthDisabled(error: unknown): boolean {
  return String(error).includes("authentication is not enabled");
}

/** gRPC codes of errors that every member would return: invalid argument, not found, permission denied and the like. */
const CLUSTER_CODES = new Set(["3", "5", "6", "7", "8", "9", "11", "16"]);

/** What only the member that was asked says of itself, whatever the code: it differs between versions of etcd. */
const MEMBER_ERRORS = /not capable|learner|too many requests|no leader|not leader|leader changed/;

/**
 * Whether an error is the cluster's, so that asking another member would not help. The reason of a cancelled watch comes
 * without a code.
 */
function isOfCluster(code: string | undefined, message: string): boolean {
  return (code === undefined || CLUSTER_CODES.has(code)) && !MEMBER_ERRORS.test(message);
}

/** Classifies an error for the election, with a message for people. */
export function storeError(error: unknown, endpoint: string): StoreError {
  if (error instanceof StoreError) return error;
  const text = error instanceof Error ? error.message : String(error);
  const host = endpoint.replace(/^https?:\/\//, "");
  const [, code, detail = text] = /(\d+) [A-Z_]+: (.*)/s.exec(text) ?? [];
  const cause = { cause: error };
  if (text.includes("requested lease not found")) {
    return new StoreError("lease-gone", "the lease has expired or was revoked", cause);
  }
  // The errors of the runtime come from reading an answer in which something is missing or is no number.
  if (code === undefined && (error instanceof InvalidAnswerError || isRuntimeError(error))) {
    return new StoreError("unreachable", `etcd at ${host} sent an invalid answer: ${text.slice(0, 200)}`, cause);
  }
  if (error instanceof EndpointError) return new StoreError("unreachable", `etcd at ${host} ${text}`, cause);
  if (code === "4") return new StoreError("unreachable", `etcd at ${host} does not answer`, cause);
  const answered = /etcdserver: (.*)/.exec(text)?.[1];
  if (answered !== undefined) {
    const refused = isOfCluster(code, answered) && !isStaleToken(error);
    return new StoreError(refused ? "refused" : "unreachable", `etcd at ${host} returned an error: ${answered}`, cause);
  }
  let reason = shortReason(detail);
  if (reason === HUNG_UP && !endpoint.startsWith("https:")) reason = CLOSED;
  if (reason === CLOSED && endpoint.startsWith("https:")) reason += ": it may require a trusted client certificate";
  const closed = error instanceof ConnectionClosedError || reason === CLOSED;
  return new StoreError("unreachable", `etcd at ${host} cannot be reached: ${reason}`, { ...cause, closed });
}

function isRuntimeError(error: unknown): boolean {
  return [TypeError, RangeError, SyntaxError, DOMException].some((type) => error instanceof type);
}

const CLOSED = "connection closed";
const HUNG_UP = "connection closed during the TLS handshake: it may require a trusted client certificate";

const GRPC_ONLY =
  "this port speaks only gRPC; use transport grpc, or the port of etcd's flag --listen-client-http-urls";
const HTTP_ONLY = "this port speaks only HTTP, not gRPC; use transport gateway, or etcd's port for gRPC";

/** Fragments of errors, and what they mean. */
const REASONS: readonly [fragment: string, reason: string][] = [
  ["received unexpected message from connection", GRPC_ONLY],
  ["invalid HTTP version parsed", GRPC_ONLY],
  ["Parse Error: Expected HTTP/", GRPC_ONLY],
  // By TLS, a newer etcd refuses whoever does not offer HTTP/2.
  ["socket hang up", "connection closed without an answer; this port may speak only gRPC"],
  // The text "404 page not found", read as the length of a message.
  ["larger than max (808722544 ", HTTP_ONLY],
  // A server that is asked by gRPC and knows only HTTP closes the connection without a word; so does one with TLS.
  ["Failed to connect (", "connection closed before HTTP/2 began; this port may require https, or speak only HTTP"],
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
  const missing = missingPermission(detail);
  if (missing !== undefined) return missing;
  if (/ECONNREFUSED|Connection refused/.test(detail)) return "connection refused";
  if (detail.includes("RST_STREAM") || detail.includes("ECONNRESET")) return CLOSED;
  for (const [fragment, reason] of REASONS) if (detail.includes(fragment)) return reason;
  if (/broken pipe|connection (reset|closed|dropped)|reading a body/i.test(detail)) return CLOSED;
  const last = /Last error: (?:Error: )?(.*?)\.? Resolution note:/s.exec(detail)?.[1] ??
    detail.replace(/^error sending request.*? for url \(\S*\): (client error \(\w+\): )?/, "");
  return last.replaceAll(/\s+/g, " ").slice(0, 200);
}

/**
 * Reads what a node answers. Its URL comes from etcd, so anything may answer there: only fields of the right type
 * count, and an answer without them is not that of a leader-node.
 */
import { END_REASON_TEXTS, type EndReason } from "../../http/history.ts";
import { shortened } from "../visible.ts";

/** An answer to `GET /status`, as far as the tools use it. */
export interface NodeStatus {
  /** The node's id. */
  readonly node: string;
  readonly role: string;
  readonly isLeader: boolean;
  /** The id of the leader that it knows. */
  readonly leader?: string;
  readonly leaderUrl?: string;
  /** The URL that it advertises. */
  readonly url?: string;
  readonly version: string;
  /** The TTL of its lease in seconds, if it has one. */
  readonly ttl?: number;
  /** The node's time of the answer, in milliseconds since the epoch. */
  readonly timestamp: number;
  /** When the leader's term began, as the node saw it, in milliseconds since the epoch. */
  readonly since?: number;
}

/** A term in the answer to `GET /history`. */
export interface TermLine {
  readonly token: number;
  readonly id: string;
  readonly from: string | null;
  readonly to: string | null;
  readonly ended: EndReason | null;
}

const ROLES = ["leader", "follower", "connecting", "stopped"];
const MAX_NAME = 201;
/** As many as a node keeps. */
const MAX_TERMS = 200;

/** The answer to `GET /status`; undefined if it is none. */
export function parseStatus(body: unknown): NodeStatus | undefined {
  const fields = record(body);
  const [node, role, version] = [name(fields.node), name(fields.role), name(fields.version)];
  const [timestamp, since] = [Date.parse(String(fields.timestamp)), Date.parse(String(fields.since))];
  const known = role !== undefined && ROLES.includes(role) && typeof fields.is_leader === "boolean";
  if (node === undefined || version === undefined || !known || Number.isNaN(timestamp)) return undefined;
  return {
    node,
    role,
    isLeader: fields.is_leader === true,
    leader: name(fields.leader),
    leaderUrl: httpUrl(fields.leader_url),
    url: httpUrl(fields.url),
    version,
    ttl: seconds(record(fields.lease).ttl),
    timestamp,
    since: Number.isNaN(since) ? undefined : since,
  };
}

/** The answer to `GET /history`; undefined if it is none. Terms that are not complete are left out. */
export function parseHistory(body: unknown): TermLine[] | undefined {
  const { terms } = record(body);
  return Array.isArray(terms) ? terms.slice(0, MAX_TERMS).flatMap((term) => parseTerm(record(term)) ?? []) : undefined;
}

/** The answer to `POST /resign` and `/switchover`: the new leader, if there is one yet. */
export function parseTransfer(body: unknown): { readonly leader?: string } | undefined {
  const fields = record(body);
  return "leader" in fields ? { leader: name(fields.leader) } : undefined;
}

/** The error message of a node, if it sent one. */
export function parseError(body: unknown): string | undefined {
  const { error } = record(body);
  return typeof error === "string" ? shortened(error, 500) : undefined;
}

function parseTerm({ token, id, from, to, ended }: Readonly<Record<string, unknown>>): TermLine | undefined {
  const leader = name(id);
  if (!Number.isSafeInteger(token) || leader === undefined) return undefined;
  return { token: token as number, id: leader, from: date(from), to: date(to), ended: endReason(ended) };
}

function endReason(value: unknown): EndReason | null {
  return typeof value === "string" && Object.hasOwn(END_REASON_TEXTS, value) ? value as EndReason : null;
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? value as Readonly<Record<string, unknown>> : {};
}

function name(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? shortened(value, MAX_NAME) : undefined;
}

function seconds(value: unknown): number | undefined {
  return typeof value === "number" && value > 0 ? value : undefined;
}

function date(value: unknown): string | null {
  const time = typeof value === "string" ? new Date(value).getTime() : NaN;
  return Number.isNaN(time) ? null : new Date(time).toISOString();
}

function httpUrl(value: unknown): string | undefined {
  const url = typeof value === "string" && value.length <= 2048 ? URL.parse(value) : null;
  return url && /^https?:$/.test(url.protocol) && !url.username && !url.password
    ? url.href.replace(/\/$/, "")
    : undefined;
}

import { parseUrl, quote, UsageError } from "./flags.ts";
import type { Config } from "./node_flags.ts";

/** A node's name and URL as other nodes see them. */
export interface Identity {
  readonly id: string;
  readonly url: string;
}

const LOOPBACK = /^(localhost|::1|127\.\d+\.\d+\.\d+)$/;
const ANY = ["0.0.0.0", "::"];

/**
 * The id and the URL of a node that listens on this port. By default, the URL is the address that it listens on, for
 * all addresses the name of the machine. The id has the name of the machine also on loopback, where the address would
 * be the same on all machines.
 *
 * @param machine Reads the name of the machine; called only if it is needed.
 * @throws {UsageError} If the name of the machine or the address cannot be part of a URL or an id.
 */
export function ownIdentity(
  { hostname, httpTls, id, advertiseUrl }: Pick<Config, "hostname" | "httpTls" | "id" | "advertiseUrl">,
  port: number,
  machine: () => string,
): Identity {
  const named = ANY.includes(hostname);
  const host = () => hostname.includes(":") ? `[${hostname}]` : hostname;
  const url = advertiseUrl ??
    urlOf(`${httpTls ? "https" : "http"}://${named ? nameOf(machine, "--advertise-url") : host()}`, port);
  return { id: id ?? `${named || LOOPBACK.test(hostname) ? nameOf(machine, "--id") : host()}:${port}`, url };
}

function nameOf(machine: () => string, flag: string): string {
  const name = machine();
  // A host name of digits only would be read as an IP address.
  if (/^[\w.-]{1,180}$/.test(name) && !/^[\d.]*$/.test(name)) return name;
  const problem = name === "" ? "this machine has no host name" : `the host name ${quote(name)} makes no URL`;
  throw new UsageError(`${problem}; set another one, or ${flag}`);
}

function urlOf(origin: string, port: number): string {
  const url = parseUrl(`${origin}:${port}`);
  if (url !== undefined) return url;
  throw new UsageError(`the address of --hostname makes no URL; set --advertise-url, such as http://host-a:${port}`);
}

import {
  checkEndpoints,
  checkName,
  checkTransport,
  DEFAULT_ENDPOINT,
  EXPECTED,
  EXPECTED_ENDPOINTS,
  EXPECTED_TRANSPORT,
} from "../election/internal.ts";
import type { EtcdSource } from "../supervise/etcd_source.ts";
import { parsePassword, parsePem } from "./etcd_files.ts";
import { type FlagTable, type FlagValues, nearest, readFile, UsageError } from "./flags.ts";

/** The election and the connection to etcd. */
export interface EtcdConfig {
  readonly election: string;
  readonly etcd: EtcdSource;
}

/** A valid value of a flag for a PEM file. */
export const PEM_FILE = "a readable PEM file";

/** The flags that say how to connect to etcd. */
export const CONNECTION_FLAGS = {
  "endpoints": {
    value: "A,B,C",
    help: "etcd client endpoints, as host:port (https with TLS flags) or URLs",
    expected: EXPECTED_ENDPOINTS,
    fallback: DEFAULT_ENDPOINT,
    env: ["ETCDCTL_ENDPOINTS"],
  },
  "transport": {
    value: "grpc|gateway",
    help: "protocol for etcd: gRPC, or etcd's JSON gateway",
    expected: EXPECTED_TRANSPORT,
    fallback: "grpc",
  },
  "cacert": {
    value: "FILE",
    help: "CA that signed etcd's certificates (PEM)",
    expected: PEM_FILE,
    env: ["ETCDCTL_CACERT"],
  },
  "cert": {
    value: "FILE",
    help: "client certificate for etcd (PEM)",
    expected: PEM_FILE,
    env: ["ETCDCTL_CERT"],
  },
  "key": {
    value: "FILE",
    help: "private key of the client certificate (PEM)",
    expected: PEM_FILE,
    env: ["ETCDCTL_KEY"],
  },
  "tls-server-name": {
    value: "NAME",
    help: "server name in etcd's certificate, if the endpoints are IP addresses",
    expected: "a host name such as etcd.example",
  },
  "user": {
    value: "NAME[:PASSWORD]",
    help: "etcd user; better without the password, since ps shows flags",
    expected: "a user name, or NAME:PASSWORD",
    env: ["ETCDCTL_USER"],
    secret: true,
  },
  "password": {
    value: "PASSWORD",
    help: "password of --user; better in LEADER_NODE_PASSWORD or a file, since ps shows flags",
    expected: "the password of --user",
    env: ["ETCDCTL_PASSWORD"],
    secret: true,
  },
  "password-file": {
    value: "FILE",
    help: "file with the password of --user",
    expected: "a readable file with a password",
  },
} as const satisfies FlagTable<string>;

/** The flags of everything that uses etcd. */
export const ETCD_FLAGS = {
  "election": {
    value: "NAME",
    help: "election name",
    expected: EXPECTED.name,
    fallback: "leader-node",
  },
  ...CONNECTION_FLAGS,
} as const satisfies FlagTable<string>;

type Read = FlagValues<keyof typeof ETCD_FLAGS>;

/**
 * Reads the election and the connection to etcd.
 *
 * @throws {UsageError} If a value is invalid or missing.
 */
export function readEtcdConfig(settings: Read): EtcdConfig {
  const { read, isSet } = settings;
  // As etcdctl does: with TLS flags, https is the default.
  const isTls = (["cacert", "cert", "key", "tls-server-name"] as const).some(isSet);
  const isGiven = isSet("endpoints");
  const withScheme = (endpoint: string) => {
    if (!isTls || endpoint === "" || (isGiven && endpoint.includes("://"))) return endpoint;
    return `https://${endpoint.replace(/^http:\/\//, "")}`;
  };
  const endpoints = read(
    "endpoints",
    (text) => checkEndpoints(text.split(",").map((endpoint) => withScheme(endpoint.trim()))),
  )!;
  const transport = read("transport", checkTransport)!;
  const tls = readTls(settings, endpoints);
  if (transport === "gateway" && tls?.serverName !== undefined) {
    throw new UsageError(
      "--tls-server-name requires --transport grpc; with gateway, use certificates for IP addresses",
    );
  }
  if (transport === "gateway" && tls && !("Deno" in globalThis)) {
    throw new UsageError("TLS flags require --transport grpc; with gateway, they work on Deno only");
  }
  return { election: read("election", checkName)!, etcd: { endpoints, transport, tls, user: readUser(settings) } };
}

function readTls({ read }: Read, endpoints: readonly string[]): EtcdSource["tls"] {
  const pemFile = (path: string) => {
    const text = readPem(path);
    return text && (isFile(path) ? path : text);
  };
  const [ca, cert, key] = [read("cacert", pemFile), read("cert", pemFile), read("key", pemFile)];
  const serverName = read("tls-server-name", (text) => /^[\w.-]+$/.test(text) ? text : undefined);
  if (ca === undefined && cert === undefined && key === undefined && serverName === undefined) return undefined;
  if ((cert === undefined) !== (key === undefined)) throw new UsageError("--cert and --key must be given together");
  if (endpoints.some((endpoint) => endpoint.startsWith("http:"))) {
    throw new UsageError("TLS flags require https endpoints, such as --endpoints https://etcd.example:2379");
  }
  return { ca, cert, key, serverName };
}

/** Whether it is a file that can be read again, and no pipe. */
function isFile(path: string): boolean {
  return Deno.statSync(path).isFile;
}

/** The text of a PEM file; undefined if it is not one. */
export function readPem(path: string): string | undefined {
  return parsePem(readFile(path) ?? "");
}

function readUser({ read, rank }: Read): EtcdSource["user"] {
  const user = read("user", (text) => text.startsWith(":") ? undefined : text);
  const [, name = "", inUser = ""] = /^([^:]*):?(.*)$/s.exec(user ?? "")!;
  const given = nearest([
    [rank("password"), () => read("password", (password) => ({ password }))],
    [rank("password-file"), () => read("password-file", readPassword)],
    [inUser === "" ? Infinity : rank("user"), () => ({ password: inUser })],
  ]);
  if (user === undefined) {
    if (given !== undefined) throw new UsageError("a password requires --user");
    return undefined;
  }
  if (given) return { name, ...given };
  throw new UsageError("--user: missing password; expected LEADER_NODE_PASSWORD, --password-file or --password");
}

/** The password in a file, or the file, if it can be read again. */
function readPassword(passwordFile: string): { passwordFile: string } | { password: string } | undefined {
  const password = parsePassword(readFile(passwordFile) ?? "");
  if (password === undefined) return undefined;
  return isFile(passwordFile) ? { passwordFile } : { password };
}

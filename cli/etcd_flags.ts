import {
  checkEndpoints,
  checkName,
  checkTransport,
  DEFAULT_ENDPOINT,
  type EtcdOptions,
  EXPECTED,
  EXPECTED_ENDPOINTS,
  EXPECTED_TRANSPORT,
  type TlsOptions,
  type UserOptions,
} from "../election/internal.ts";
import { type FlagTable, type FlagValues, readFile, UsageError } from "./flags.ts";

/** How to reach etcd, and which election. */
export interface EtcdConfig {
  readonly election: string;
  readonly etcd: EtcdOptions;
}

/** What a flag for a PEM file expects. */
export const PEM_FILE = "a file that can be read and holds PEM";

/** The flags of all that talk to etcd. */
export const ETCD_FLAGS = {
  "endpoints": {
    value: "A,B,C",
    help: "etcd's client endpoints, as host:port or URLs",
    expected: EXPECTED_ENDPOINTS,
    fallback: DEFAULT_ENDPOINT,
    env: ["ETCDCTL_ENDPOINTS"],
  },
  "election": {
    value: "NAME",
    help: "the election to stand in",
    expected: EXPECTED.name,
    fallback: "leader-node",
  },
  "transport": {
    value: "grpc|gateway",
    help: "how to speak to etcd: its own protocol, or its JSON gateway",
    expected: EXPECTED_TRANSPORT,
    fallback: "grpc",
  },
  "cacert": {
    value: "FILE",
    help: "the authority that signed etcd's certificates (PEM)",
    expected: PEM_FILE,
    env: ["ETCDCTL_CACERT"],
  },
  "cert": {
    value: "FILE",
    help: "the client certificate for etcd (PEM)",
    expected: PEM_FILE,
    env: ["ETCDCTL_CERT"],
  },
  "key": { value: "FILE", help: "the key of the client certificate (PEM)", expected: PEM_FILE, env: ["ETCDCTL_KEY"] },
  "tls-server-name": {
    value: "NAME",
    help: "the name that etcd's certificate is for, if endpoints are IP addresses",
    expected: "a host name such as etcd.example",
  },
  "user": {
    value: "NAME[:PASSWORD]",
    help: "the etcd user to log in as; better without the password, which ps shows",
    expected: "a user's name, maybe with a colon and a password",
    env: ["ETCDCTL_USER"],
    secret: true,
  },
  "password": {
    value: "PASSWORD",
    help: "the user's password; better in LEADER_NODE_PASSWORD or a file, since ps shows flags",
    expected: "the password of --user",
    env: ["ETCDCTL_PASSWORD"],
    secret: true,
  },
  "password-file": {
    value: "FILE",
    help: "a file that holds the user's password",
    expected: "a file that can be read and holds a password",
  },
} as const satisfies FlagTable<string>;

type Read = FlagValues<keyof typeof ETCD_FLAGS>;

/**
 * Reads how etcd is reached.
 *
 * @throws {UsageError} If anything cannot be used.
 */
export function readEtcdConfig(settings: Read): EtcdConfig {
  const { read } = settings;
  const endpoints = read("endpoints", (text) => checkEndpoints(text.split(",").map((endpoint) => endpoint.trim())))!;
  const transport = read("transport", checkTransport)!;
  const tls = readTls(settings, endpoints);
  if (transport === "gateway" && tls?.serverName !== undefined) {
    throw new UsageError(
      "--tls-server-name needs --transport grpc; with gateway, certificates may be for IP addresses",
    );
  }
  return { election: read("election", checkName)!, etcd: { endpoints, transport, tls, user: readUser(settings) } };
}

function readTls({ read }: Read, endpoints: readonly string[]): TlsOptions | undefined {
  const [ca, cert, key] = [read("cacert", pem), read("cert", pem), read("key", pem)];
  const serverName = read("tls-server-name", (text) => /^[\w.-]+$/.test(text) ? text : undefined);
  if (ca === undefined && cert === undefined && key === undefined && serverName === undefined) return undefined;
  if ((cert === undefined) !== (key === undefined)) throw new UsageError("--cert and --key go together: expected both");
  if (endpoints.some((endpoint) => endpoint.startsWith("http:"))) {
    throw new UsageError("TLS flags go with https endpoints: expected --endpoints such as https://etcd.example:2379");
  }
  return { ca, cert, key, serverName };
}

/** The text of a PEM file, if it is one. */
export function pem(path: string): string | undefined {
  const text = readFile(path);
  return text?.includes("-----BEGIN ") ? text : undefined;
}

function readUser({ read }: Read): UserOptions | undefined {
  const user = read("user", (text) => text.startsWith(":") ? undefined : text);
  const given = read("password", (text) => text) ??
    read("password-file", (path) => readFile(path)?.trimEnd() || undefined);
  if (user === undefined) {
    if (given !== undefined) throw new UsageError("a password goes with a user: expected --user too");
    return undefined;
  }
  const colon = user.indexOf(":");
  const name = colon < 0 ? user : user.slice(0, colon);
  const password = given ?? (colon < 0 ? "" : user.slice(colon + 1));
  if (password !== "") return { name, password };
  throw new UsageError("--user needs a password: expected LEADER_NODE_PASSWORD, --password-file or --password");
}

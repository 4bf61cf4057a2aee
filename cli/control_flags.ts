import { type Env, type FlagTable, parseSwitch, parseUrl, readFlags, UsageError } from "./flags.ts";
import { NODE_FLAGS, readControlToken } from "./node_flags.ts";

/** A request to transfer leadership. */
export interface ControlConfig {
  action: "resign" | "switchover";
  /** Any node of the election: it tells who leads. */
  url: string;
  /** Act only if this node is the leader; undefined for any leader. */
  leader?: string;
  /** The next leader; undefined for the waiting candidate with the highest priority. */
  candidate?: string;
  token: string;
  /** Hosts of leaders that may get the token, besides the host of the asked node. */
  trustedHosts: string[];
}

/** The flags of `resign` and `switchover`. */
export const CONTROL_FLAGS = {
  "url": {
    value: "URL",
    help: "any node; if the leader is on another host, name that in --trusted-hosts",
    expected: NODE_FLAGS["advertise-url"].expected,
    fallback: "http://localhost:8080",
  },
  "leader": {
    value: "ID",
    help: "act only if this node is the leader (default: any)",
    expected: "the id of a node",
  },
  "candidate": {
    value: "ID",
    help: "the waiting candidate that becomes leader",
    expected: "the id of a waiting candidate",
    only: ["switchover"],
  },
  "trusted-hosts": {
    value: "A,B,C",
    help: "hosts that may get the control token, besides that of --url",
    expected: "host names or IP addresses such as host-a,10.0.0.2, separated by commas",
  },
  "control-token-file": { ...NODE_FLAGS["control-token-file"], help: "file with the control token of the nodes" },
  "control-token": NODE_FLAGS["control-token"],
  "help": NODE_FLAGS.help,
} as const satisfies FlagTable<string>;

/**
 * Reads a request to transfer leadership.
 *
 * @throws {UsageError} If an argument or a value is invalid.
 */
export function readControlConfig(
  action: ControlConfig["action"],
  args: readonly string[],
  env: Env,
): ControlConfig | "help" {
  const settings = readFlags(CONTROL_FLAGS, args, env, { subcommand: action, expected: "only flags" });
  if (settings.read("help", parseSwitch)) return "help";
  const token = readControlToken(settings);
  if (!token) {
    throw new UsageError(`${action} requires the control token; set LEADER_NODE_CONTROL_TOKEN or --control-token-file`);
  }
  const [leader, candidate] = [settings.read("leader", (id) => id), settings.read("candidate", (id) => id)];
  if (action === "switchover" && candidate === undefined) {
    throw new UsageError("switchover requires --candidate ID; use resign to let priorities decide");
  }
  const trustedHosts = settings.read("trusted-hosts", parseHosts) ?? [];
  return { action, url: settings.read("url", parseUrl)!, leader, candidate, token, trustedHosts };
}

/** Hosts as they are in a parsed URL; undefined if one is none. */
function parseHosts(text: string): string[] | undefined {
  const hosts = text.split(",").map((host) => {
    const name = host.trim();
    return URL.parse(`http://${/^[0-9a-f:.]*:[0-9a-f:.]*$/i.test(name) ? `[${name}]` : name}/`);
  });
  const isPlain = (url: URL | null) => url !== null && url.href === `http://${url.hostname}/`;
  return hosts.every(isPlain) ? hosts.map((url) => url!.hostname) : undefined;
}

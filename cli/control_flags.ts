import { type Env, type FlagTable, parseSwitch, parseUrl, readFlags, UsageError } from "./flags.ts";
import { NODE_FLAGS, readControlToken } from "./node_flags.ts";

/** How the lead is to be moved. */
export interface ControlConfig {
  action: "resign" | "switchover";
  /** A node of the election. */
  url: string;
  /** Who is to hand the lead on; whoever leads if not set. */
  leader?: string;
  /** Who is to lead next; the next in the queue if not set. */
  candidate?: string;
  token: string;
}

/** The flags of those who move the lead. */
export const CONTROL_FLAGS = {
  "url": {
    value: "URL",
    help: "a node of the election, the leader or not",
    expected: NODE_FLAGS["advertise-url"].expected,
    fallback: "http://localhost:8080",
  },
  "leader": {
    value: "ID",
    help: "hand on only if this one leads (default: whoever does)",
    expected: "the id of a node",
  },
  "candidate": { value: "ID", help: "who is to lead next, for switchover", expected: "the id of a node that waits" },
  "control-token-file": { ...NODE_FLAGS["control-token-file"], help: "the token that the nodes ask for" },
  "control-token": NODE_FLAGS["control-token"],
  "help": NODE_FLAGS.help,
} as const satisfies FlagTable<string>;

/**
 * Reads how the lead is to be moved.
 *
 * @throws {UsageError} If anything cannot be used.
 */
export function readControlConfig(
  action: ControlConfig["action"],
  args: readonly string[],
  env: Env,
): ControlConfig | "help" {
  const settings = readFlags(CONTROL_FLAGS, args, env, "flags only; leader-node --help lists them");
  if (settings.read("help", parseSwitch)) return "help";
  const token = readControlToken(settings);
  if (!token) throw new UsageError(`${action} needs the control token: expected LEADER_NODE_CONTROL_TOKEN or a file`);
  const [leader, candidate] = [settings.read("leader", (id) => id), settings.read("candidate", (id) => id)];
  if (action === "switchover" && candidate === undefined) {
    throw new UsageError("switchover needs a candidate: expected --candidate ID; resign hands on to the next");
  }
  if (action === "resign" && candidate !== undefined) {
    throw new UsageError("resign hands on to the next: expected switchover to name a candidate");
  }
  return { action, url: settings.read("url", parseUrl)!, leader, candidate, token };
}

import { CONTROL_FLAGS, type ControlConfig, readControlConfig } from "./control_flags.ts";
import { ETCD_FLAGS } from "./etcd_flags.ts";
import { type Env, flagLines } from "./flags.ts";
import { INSPECT_FLAGS, type InspectConfig, INSPECTIONS, readInspectConfig } from "./inspect/flags.ts";
import { type Config, NODE_FLAGS, readNodeConfig } from "./node_flags.ts";

/** What the command line asks for. */
export type Command =
  | { readonly type: "run"; readonly config: Config }
  | { readonly type: "control"; readonly config: ControlConfig }
  | { readonly type: "inspect"; readonly config: InspectConfig }
  /** What a node starts beside itself; users do not. */
  | { readonly type: "watchdog"; readonly pipes?: { readonly read: number; readonly write: number } }
  | { readonly type: "help" }
  | { readonly type: "version" };

/**
 * Reads the command line and the environment.
 *
 * @throws {UsageError} If anything in them cannot be used.
 */
export function parseCommandLine(args: readonly string[], env: Env): Command {
  const [word, ...rest] = args;
  if (word === "watchdog" && rest.every((text) => /^\d+$/.test(text)) && rest.length % 2 === 0) {
    const [read, write] = rest.map(Number);
    return { type: "watchdog", pipes: read === undefined || write === undefined ? undefined : { read, write } };
  }
  if (word === "resign" || word === "switchover") {
    const config = readControlConfig(word, rest, env);
    return config === "help" ? { type: "help" } : { type: "control", config };
  }
  const inspection = INSPECTIONS.find((known) => known === word);
  if (inspection) {
    const config = readInspectConfig(inspection, rest, env);
    return config === "help" ? { type: "help" } : { type: "inspect", config };
  }
  const config = readNodeConfig(args, env);
  return typeof config === "string" ? { type: config } : { type: "run", config };
}

/** The text that `--help` prints. */
export function helpText(): string {
  return `leader-node: one of many is the leader, by etcd

Usage: leader-node [flags]                                    run a node
       leader-node [flags] -- COMMAND ARGS                    run a command too, only while this node leads
       leader-node resign [flags]                             make the leader hand the lead on
       leader-node switchover --candidate ID [flags]          hand it to a named candidate
       leader-node status [flags]                             who leads, and whether all nodes agree
       leader-node members [--watch] [flags]                  the queue of candidates
       leader-node history [flags]                            the terms that the nodes have seen
       leader-node doctor [flags]                             what is wrong, or could go wrong

Flags of a node:
${flagLines(NODE_FLAGS).join("\n")}

Flags of resign and switchover:
${flagLines(CONTROL_FLAGS).join("\n")}

Flags of status, members, history and doctor, beside those of a node that say where etcd is
(${Object.keys(ETCD_FLAGS).map((name) => `--${name}`).join(", ")}):
${flagLines(INSPECT_FLAGS).join("\n")}
They exit with 0 if all is well, 1 if not or if nobody could be asked, 3 if nobody leads (status and members).

Each flag can be set as LEADER_NODE_<FLAG> in the environment too, such as LEADER_NODE_PORT=8081;
etcdctl's ETCDCTL_ENDPOINTS, _CACERT, _CERT, _KEY, _USER and _PASSWORD are read too, and the control token
from LEADER_NODE_CONTROL_TOKEN.
The command finds LEADER_NODE_TOKEN (the fencing token), LEADER_NODE_ELECTION, _ID and _URL in its environment,
and etcdctl's ETCD_LOCK_KEY and ETCD_LOCK_REV.
Ask a node over HTTP: curl http://localhost:8080/`;
}

import { ETCD_FLAGS, type EtcdConfig, readEtcdConfig } from "../etcd_flags.ts";
import { type Env, type FlagTable, parseSwitch, readFlags, SWITCH } from "../flags.ts";
import { NODE_FLAGS, parseTtl } from "../node_flags.ts";

/** The read-only subcommands. */
export const INSPECTIONS = ["status", "members", "history", "doctor"] as const;

export type Inspection = typeof INSPECTIONS[number];

/** The configuration of a read-only subcommand. */
export interface InspectConfig extends EtcdConfig {
  what: Inspection;
  /** Whether to print JSON. */
  json: boolean;
  /** Whether to keep running and print each change (`members` only). */
  watch: boolean;
  /** The TTL to check, in seconds (`doctor` only). */
  ttl?: number;
}

/** The flags of the read-only subcommands, besides those of etcd. */
export const INSPECT_FLAGS = {
  "json": { help: "print JSON", expected: SWITCH, argOnly: true },
  "watch": {
    help: "keep running and print the queue after each change",
    expected: SWITCH,
    argOnly: true,
    only: ["members"],
  },
  "ttl": {
    ...NODE_FLAGS.ttl,
    help: "TTL to check, beside that of the nodes that run",
    fallback: undefined,
    only: ["doctor"],
  },
  "help": NODE_FLAGS.help,
} as const satisfies FlagTable<string>;

/**
 * Reads the configuration of a read-only subcommand.
 *
 * @throws {UsageError} If an argument or a value is invalid.
 */
export function readInspectConfig(what: Inspection, args: readonly string[], env: Env): InspectConfig | "help" {
  const settings = readFlags({ ...ETCD_FLAGS, ...INSPECT_FLAGS }, args, env, {
    subcommand: what,
    expected: "only flags",
  });
  const { read, isSet } = settings;
  if (read("help", parseSwitch)) return "help";
  return {
    what,
    ...readEtcdConfig(settings),
    json: read("json", parseSwitch) ?? false,
    watch: read("watch", parseSwitch) ?? false,
    ttl: isSet("ttl") ? read("ttl", parseTtl) : undefined,
  };
}

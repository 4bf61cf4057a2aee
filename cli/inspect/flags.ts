import { ETCD_FLAGS, type EtcdConfig, readEtcdConfig } from "../etcd_flags.ts";
import { type Env, type FlagTable, parseSwitch, readFlags, SWITCH, UsageError } from "../flags.ts";
import { NODE_FLAGS, parseTtl } from "../node_flags.ts";

/** The sub-commands that only look. */
export const INSPECTIONS = ["status", "members", "history", "doctor"] as const;

export type Inspection = typeof INSPECTIONS[number];

/** What is to be looked at. */
export interface InspectConfig extends EtcdConfig {
  what: Inspection;
  /** Whether a program reads the output. */
  json: boolean;
  /** Whether to go on and show each change. */
  watch: boolean;
  /** The TTL that the doctor judges. */
  ttl: number;
}

/** The flags of the sub-commands that only look, beside those of etcd. */
export const INSPECT_FLAGS = {
  "json": { help: "print JSON, for programs", expected: SWITCH, argOnly: true },
  "watch": { help: "go on and show each change of the queue, for members", expected: SWITCH, argOnly: true },
  "ttl": { ...NODE_FLAGS.ttl, help: "the TTL that doctor judges" },
  "help": NODE_FLAGS.help,
} as const satisfies FlagTable<string>;

/**
 * Reads what is to be looked at.
 *
 * @throws {UsageError} If anything cannot be used.
 */
export function readInspectConfig(what: Inspection, args: readonly string[], env: Env): InspectConfig | "help" {
  const settings = readFlags(
    { ...ETCD_FLAGS, ...INSPECT_FLAGS },
    args,
    env,
    "flags only; leader-node --help lists them",
  );
  const { read } = settings;
  if (read("help", parseSwitch)) return "help";
  const watch = read("watch", parseSwitch) ?? false;
  if (watch && what !== "members") {
    throw new UsageError("--watch goes with members: expected leader-node members --watch");
  }
  return {
    what,
    ...readEtcdConfig(settings),
    json: read("json", parseSwitch) ?? false,
    watch,
    ttl: read("ttl", parseTtl)!,
  };
}

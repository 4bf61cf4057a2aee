import { CONTROL_FLAGS } from "./control_flags.ts";
import { CONNECTION_FLAGS, ETCD_FLAGS } from "./etcd_flags.ts";
import { flagsOf, type FlagTable } from "./flags.ts";
import { INSPECT_FLAGS } from "./inspect/flags.ts";
import { NODE_FLAGS } from "./node_flags.ts";
import { SHELLS, type Subcommand, SUBCOMMANDS } from "./subcommands.ts";

/** What the help, the manual page and the completions of shells say of the program or of a subcommand. */
export interface Page {
  /** What follows the name in the usage, with an explanation if there are several. */
  readonly usage: readonly (readonly [syntax: string, explanation: string])[];
  /** The flags, by the titles of their lists. */
  readonly tables: Readonly<Record<string, FlagTable<string>>>;
  /** Paragraphs that follow the flags. */
  readonly notes: readonly string[];
}

/** The subcommands with a page of their own. */
export type Documented = Exclude<Subcommand, "help" | "version">;

/** The title of the flags that only a node has. */
export const NODE_TITLE = "Flags of a node:";

/** The title of the flags that all of what uses etcd has. */
export const CONNECTION_TITLE = "etcd connection:";

const STATUS_CODES =
  "Exit codes: 0 if all is well or there are only warnings, 1 if there is a problem, 2 for invalid usage";
const TRANSFER_CODES = "Exit codes: 0 on success, also if the leader has resigned and nobody leads yet; 1 otherwise, " +
  "also if the leader is still handing over after 30 s; 2 for invalid usage.";
const TOKEN = "Each flag that takes a value can also be set in the environment as LEADER_NODE_<FLAG>, such as " +
  "LEADER_NODE_URL, and the control token in LEADER_NODE_CONTROL_TOKEN.";
const ENVIRONMENT = "Each flag that takes a value can also be set in the environment as LEADER_NODE_<FLAG>, such as " +
  "LEADER_NODE_ENDPOINTS. ETCDCTL_ENDPOINTS, _CACERT, _CERT, _KEY, _USER and _PASSWORD are read too. " +
  "Flags take precedence over the environment.";

/** The whole program, as a node. */
export const PROGRAM: Page = {
  usage: [
    ["[flags]", "run a node"],
    ["[flags] -- COMMAND ARGS", "run COMMAND while this node leads"],
    ["SUBCOMMAND [flags]", ""],
  ],
  tables: {
    [NODE_TITLE]: Object.fromEntries(
      Object.entries(NODE_FLAGS).filter(([name]) => !Object.hasOwn(CONNECTION_FLAGS, name)),
    ),
    [CONNECTION_TITLE]: CONNECTION_FLAGS,
  },
  notes: [
    "Each flag except --version and --help can also be set in the environment as LEADER_NODE_<FLAG>, such as " +
    "LEADER_NODE_PORT=8081. ETCDCTL_ENDPOINTS, _CACERT, _CERT, _KEY, _USER and _PASSWORD are read too, and " +
    "the control token from LEADER_NODE_CONTROL_TOKEN. Flags take precedence over the environment.",
    "COMMAND gets LEADER_NODE_TOKEN (the fencing token), LEADER_NODE_ELECTION, LEADER_NODE_ID and " +
    "LEADER_NODE_URL, and, named as by etcdctl lock, ETCD_LOCK_KEY and ETCD_LOCK_REV (the key and its create " +
    "revision).",
    "Example: leader-node --port 8080, then curl http://localhost:8080/",
  ],
};

/** The page of a subcommand. */
export function pageOf(subcommand: Documented): Page {
  const onlyHelp = { "Flags:": { help: NODE_FLAGS.help } };
  switch (subcommand) {
    case "resign":
    case "switchover": {
      const usage = [[subcommand === "switchover" ? "--candidate ID [flags]" : "[flags]", ""]] as const;
      return { usage, tables: { "Flags:": flagsOf(CONTROL_FLAGS, subcommand) }, notes: [TOKEN, TRANSFER_CODES] };
    }
    case "completions":
      return { usage: [[SHELLS.join("|"), ""]], tables: onlyHelp, notes: [HOW_TO_INSTALL] };
    case "man":
      return { usage: [["", ""]], tables: onlyHelp, notes: ["To read it: leader-node man | man -l -"] };
    default: {
      const hasLeader = subcommand === "status" || subcommand === "members";
      return {
        usage: [["[flags]", ""]],
        tables: {
          "Flags:": { election: ETCD_FLAGS.election, ...flagsOf(INSPECT_FLAGS, subcommand) },
          [CONNECTION_TITLE]: CONNECTION_FLAGS,
        },
        notes: [ENVIRONMENT, `${STATUS_CODES}${hasLeader ? ", 3 if there is no leader" : ""}.`],
      };
    }
  }
}

const HOW_TO_INSTALL =
  "Save it as leader-node in ~/.local/share/bash-completion/completions (bash), as _leader-node in a " +
  "folder of $fpath (zsh), or as leader-node.fish in ~/.config/fish/completions (fish).";

/** The subcommands with a page, in the order of the help. */
export const DOCUMENTED = Object.keys(SUBCOMMANDS).filter((name): name is Documented =>
  name !== "help" && name !== "version"
);

/** A flag as users write it. */
export interface ShownFlag {
  readonly name: string;
  /** Whether there is a `--no-` form too. */
  readonly negatable: boolean;
  /** The placeholder of its value; absent for a switch. */
  readonly value?: string;
  /** What it does, with its default. */
  readonly help: string;
}

/** The flags of a table that can be set on the command line. */
export function shownFlags(table: FlagTable<string>): ShownFlag[] {
  return Object.entries(table).filter(([, { envOnly }]) => !envOnly).map(([name, flag]) => ({
    name,
    negatable: flag.negatable ?? false,
    value: flag.value,
    help: flag.help + (flag.fallback ? ` (default: ${flag.fallback})` : ""),
  }));
}

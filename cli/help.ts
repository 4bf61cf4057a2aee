import { CONTROL_FLAGS } from "./control_flags.ts";
import { CONNECTION_FLAGS, ETCD_FLAGS } from "./etcd_flags.ts";
import { flagsOf, type FlagTable } from "./flags.ts";
import { INSPECT_FLAGS } from "./inspect/flags.ts";
import { NODE_FLAGS } from "./node_flags.ts";
import { type Subcommand, SUBCOMMANDS } from "./subcommands.ts";

const WIDTH = 80;
/** Longer flags get a line of their own. */
const MAX_FLAG_WIDTH = 25;

type Row = readonly [left: string, right: string];

const STATUS_CODES = "Exit codes: 0 if all is well, 1 if there is a problem, 2 for invalid usage";
const TRANSFER_CODES = "Exit codes: 0 on success, 1 if leadership was not transferred, 2 for invalid usage.";
const TOKEN = "Each flag that takes a value can also be set in the environment as LEADER_NODE_<FLAG>, such as " +
  "LEADER_NODE_URL, and the control token in LEADER_NODE_CONTROL_TOKEN.";
const ENVIRONMENT = "Each flag that takes a value can also be set in the environment as LEADER_NODE_<FLAG>, such as " +
  "LEADER_NODE_ENDPOINTS. ETCDCTL_ENDPOINTS, _CACERT, _CERT, _KEY, _USER and _PASSWORD are read too. " +
  "Flags take precedence over the environment.";

/** What follows the flags in the help of each subcommand. */
const NOTES: Readonly<Record<Exclude<Subcommand, "help" | "version">, readonly string[]>> = {
  status: [ENVIRONMENT, `${STATUS_CODES}, 3 if there is no leader.`],
  members: [ENVIRONMENT, `${STATUS_CODES}, 3 if there is no leader.`],
  history: [ENVIRONMENT, `${STATUS_CODES}.`],
  doctor: [ENVIRONMENT, `${STATUS_CODES}.`],
  resign: [TOKEN, TRANSFER_CODES],
  switchover: [TOKEN, TRANSFER_CODES],
};

/** The text that `--help` prints: for a subcommand, or for the whole program. */
export function helpText(subcommand?: Subcommand): string {
  switch (subcommand) {
    case undefined:
    case "help":
    case "version":
      return programHelp();
    case "resign":
    case "switchover":
      return subcommandHelp(subcommand, { "Flags:": flagsOf(CONTROL_FLAGS, subcommand) });
    default:
      return subcommandHelp(subcommand, {
        "Flags:": { election: ETCD_FLAGS.election, ...flagsOf(INSPECT_FLAGS, subcommand) },
        "etcd connection:": CONNECTION_FLAGS,
      });
  }
}

function programHelp(): string {
  const usage: Row[] = [
    ["leader-node [flags]", "run a node"],
    ["leader-node [flags] -- COMMAND ARGS", "run COMMAND while this node leads"],
    ["leader-node SUBCOMMAND [flags]", ""],
  ];
  const flags = Object.entries(NODE_FLAGS).filter(([name]) => !Object.hasOwn(CONNECTION_FLAGS, name));
  return [
    "leader-node: leader election over etcd",
    "",
    ...columns(usage).map((line, index) => (index === 0 ? "Usage:" : "").padEnd(6) + line.slice(1)),
    "",
    "Subcommands (leader-node SUBCOMMAND --help shows their flags):",
    ...columns(Object.entries(SUBCOMMANDS)),
    ...sections({ "Flags of a node:": Object.fromEntries(flags), "etcd connection:": CONNECTION_FLAGS }),
    ...paragraphs([
      "Each flag except --version and --help can also be set in the environment as LEADER_NODE_<FLAG>, such as " +
      "LEADER_NODE_PORT=8081. ETCDCTL_ENDPOINTS, _CACERT, _CERT, _KEY, _USER and _PASSWORD are read too, and " +
      "the control token from LEADER_NODE_CONTROL_TOKEN. Flags take precedence over the environment.",
      "COMMAND gets LEADER_NODE_TOKEN (the fencing token), LEADER_NODE_ELECTION, LEADER_NODE_ID and " +
      "LEADER_NODE_URL, and ETCD_LOCK_KEY and ETCD_LOCK_REV as from etcdctl lock.",
      "Example: leader-node --port 8080, then curl http://localhost:8080/",
    ]),
  ].join("\n");
}

function subcommandHelp(name: keyof typeof NOTES, tables: Readonly<Record<string, FlagTable<string>>>): string {
  const flags = name === "switchover" ? "--candidate ID [flags]" : "[flags]";
  return [
    `leader-node ${name}: ${SUBCOMMANDS[name]}`,
    "",
    `Usage: leader-node ${name} ${flags}`,
    ...sections(tables),
    ...paragraphs(NOTES[name]),
  ].join("\n");
}

/** Titled lists of flags, all with the same columns. */
function sections(tables: Readonly<Record<string, FlagTable<string>>>): string[] {
  const lists = Object.entries(tables).map(([title, table]) => ({ title, rows: flagRows(table) }));
  const width = widthOf(lists.flatMap(({ rows }) => rows));
  return lists.flatMap(({ title, rows }) => ["", title, ...columns(rows, width)]);
}

function flagRows(table: FlagTable<string>): Row[] {
  return Object.entries(table).filter(([, { envOnly }]) => !envOnly).map(([name, flag]) => [
    `--${flag.negatable ? "[no-]" : ""}${name}${flag.value ? ` ${flag.value}` : ""}`,
    flag.help + (flag.fallback ? ` (default: ${flag.fallback})` : ""),
  ]);
}

/** The width of the left column: that of its widest entry that gets no line of its own. */
function widthOf(rows: readonly Row[]): number {
  return Math.max(...rows.map(([left]) => left.length).filter((length) => length <= MAX_FLAG_WIDTH));
}

function columns(rows: readonly Row[], width = Math.max(...rows.map(([left]) => left.length))): string[] {
  const indent = " ".repeat(width + 4);
  return rows.flatMap(([left, right]) => {
    const lines = wrap(right, WIDTH - indent.length).map((line) => indent + line);
    const first = `  ${left}`;
    if (left.length > width) return [first, ...lines];
    return [`${first.padEnd(indent.length)}${lines[0]!.slice(indent.length)}`.trimEnd(), ...lines.slice(1)];
  });
}

function paragraphs(texts: readonly string[]): string[] {
  return texts.flatMap((text) => ["", ...wrap(text, WIDTH)]);
}

/** Breaks a text at spaces into lines of at most `width` characters, but not inside of a default. */
function wrap(text: string, width: number): string[] {
  const lines = [""];
  for (const word of text.match(/\(default: \S+\)|\S+/g) ?? []) {
    const line = lines.at(-1)!;
    if (line !== "" && line.length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] = line === "" ? word : `${line} ${word}`;
  }
  return lines;
}

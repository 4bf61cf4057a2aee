import type { FlagTable } from "./flags.ts";
import { type Documented, type Page, pageOf, PROGRAM, shownFlags } from "./manual.ts";
import { type Subcommand, SUBCOMMANDS } from "./subcommands.ts";

const WIDTH = 80;
/** Longer flags get a line of their own. */
const MAX_FLAG_WIDTH = 25;

type Row = readonly [left: string, right: string];

/** The text that `--help` prints: for a subcommand, or for the whole program. */
export function helpText(subcommand?: Subcommand): string {
  const documented = subcommand === "help" || subcommand === "version" ? undefined : subcommand;
  return documented === undefined ? programHelp() : subcommandHelp(documented, pageOf(documented));
}

function programHelp(): string {
  const { usage, tables, notes } = PROGRAM;
  const rows = usage.map(([syntax, explanation]): Row => [`leader-node ${syntax}`, explanation]);
  return [
    "leader-node: leader election over etcd",
    "",
    ...columns(rows).map((line, index) => (index === 0 ? "Usage:" : "").padEnd(6) + line.slice(1)),
    "",
    "Subcommands (leader-node SUBCOMMAND --help shows their flags):",
    ...columns(Object.entries(SUBCOMMANDS)),
    ...sections(tables),
    ...paragraphs(notes),
  ].join("\n");
}

function subcommandHelp(name: Documented, { usage, tables, notes }: Page): string {
  return [
    `leader-node ${name}: ${SUBCOMMANDS[name]}`,
    "",
    ...usage.map(([syntax]) => `Usage: leader-node ${name} ${syntax}`.trimEnd()),
    ...sections(tables),
    ...paragraphs(notes),
  ].join("\n");
}

/** Titled lists of flags, all with the same columns. */
function sections(tables: Readonly<Record<string, FlagTable<string>>>): string[] {
  const lists = Object.entries(tables).map(([title, table]) => ({ title, rows: flagRows(table) }));
  const width = widthOf(lists.flatMap(({ rows }) => rows));
  return lists.flatMap(({ title, rows }) => ["", title, ...columns(rows, width)]);
}

function flagRows(table: FlagTable<string>): Row[] {
  return shownFlags(table).map(({ name, negatable, value, help }) => [
    `--${negatable ? "[no-]" : ""}${name}${value ? ` ${value}` : ""}`,
    help,
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

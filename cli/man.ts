import type { FlagTable } from "./flags.ts";
import { CONNECTION_TITLE, DOCUMENTED, pageOf, PROGRAM, shownFlags } from "./manual.ts";
import { SUBCOMMANDS } from "./subcommands.ts";

const NODE_CODES =
  "A node ends with 0 after a signal, 128 and its number after a second one, the command's own code if " +
  "the command has ended, 126 or 127 if the command cannot be run, 1 if HTTP cannot be served, and 2 for invalid usage.";

/** The manual page, as troff source for the section 1. */
export function manPage(version: string): string {
  const { usage, tables, notes } = PROGRAM;
  return [
    `.TH LEADER-NODE 1 "" ${quoted(`leader-node ${version}`)} "User Commands"`,
    ...section("NAME", ["leader-node \\- leader election over etcd"]),
    ...section("SYNOPSIS", usage.flatMap(([syntax]) => [".PP", `.B leader\\-node ${troff(syntax)}`])),
    ...section("DESCRIPTION", [
      "Of several processes, exactly one leads. It can be asked over HTTP which one that is.",
      ...usage.slice(0, -1).flatMap(([syntax, explanation]) =>
        definition(`leader\\-node ${troff(syntax)}`, explanation)
      ),
    ]),
    ...section("SUBCOMMANDS", Object.entries(SUBCOMMANDS).flatMap(([name, help]) => definition(troff(name), help))),
    ...Object.entries(tables).flatMap(([title, table]) => section(titled(title), flags(table))),
    ...DOCUMENTED.flatMap((name) => {
      const { usage, tables, notes } = pageOf(name);
      return section(name.toUpperCase(), [
        ...usage.flatMap(([syntax]) => [".PP", `.B leader\\-node ${troff(`${name} ${syntax}`.trimEnd())}`]),
        ...Object.entries(tables).filter(([title]) => title !== CONNECTION_TITLE).flatMap(([, table]) => flags(table)),
        ...Object.hasOwn(tables, CONNECTION_TITLE) ? [".PP", "Also the flags of the etcd connection."] : [],
        ...paragraphs(notes),
      ]);
    }),
    ...section("ENVIRONMENT", paragraphs(notes.slice(0, 2))),
    ...section("EXIT STATUS", [troff(NODE_CODES)]),
    ...section("EXAMPLES", paragraphs(notes.slice(2))),
  ].join("\n");
}

function titled(title: string): string {
  return title.replace(":", "").toUpperCase();
}

function section(title: string, lines: readonly string[]): string[] {
  return [`.SH ${quoted(title)}`, ...lines];
}

function flags(table: FlagTable<string>): string[] {
  return shownFlags(table).flatMap(({ name, negatable, value, help }) => {
    const forms = [name, ...negatable ? [`no-${name}`] : []].map((form) => `\\fB${troff(`--${form}`)}\\fR`);
    return definition(forms.join(", ") + (value ? ` \\fI${troff(value)}\\fR` : ""), help);
  });
}

/** A term, already in troff, and what it means. */
function definition(term: string, text: string): string[] {
  return [".TP", `\\fB${term}\\fR`, troff(text)];
}

function paragraphs(texts: readonly string[]): string[] {
  return texts.flatMap((text) => [".PP", troff(text)]);
}

/** A text as troff shows it: with real hyphens, which can be copied, and nothing that would be a request. */
function troff(text: string): string {
  return text.replaceAll("\\", "\\e").replaceAll("-", "\\-").replace(/^(?=[.'])/, "\\&");
}

function quoted(text: string): string {
  return `"${troff(text)}"`;
}

/** `deno task docs`: writes the tables of flags into docs/flags.md, from those that `--help` shows. */
import { CONTROL_FLAGS } from "../cli/control_flags.ts";
import { CONNECTION_FLAGS } from "../cli/etcd_flags.ts";
import { type Flag, type FlagTable, variablesOf } from "../cli/flags.ts";
import { INSPECT_FLAGS } from "../cli/inspect/flags.ts";
import { NODE_TITLE, PROGRAM } from "../cli/manual.ts";
import { NODE_FLAGS } from "../cli/node_flags.ts";

const HEADER = ["flag", "meaning", "default", "in the environment"];

const TABLES: Readonly<Record<string, FlagTable<string>>> = {
  node: PROGRAM.tables[NODE_TITLE]!,
  etcd: CONNECTION_FLAGS,
  inspect: { election: NODE_FLAGS.election, ...INSPECT_FLAGS },
  transfer: CONTROL_FLAGS,
};

/** The page, with the tables of today between its marks. */
export function withTables(page: string): string {
  return page.replaceAll(/(<!-- flags: (\w+) -->\n\n).*?(<!-- end -->)/gs, (_, begin, name, end) => {
    return `${begin}${table(name, TABLES[name]!)}\n\n${end}`;
  });
}

/** A table as `deno fmt` writes it. */
function table(name: string, flags: FlagTable<string>): string {
  const rows = [HEADER, ...Object.entries(flags).map(([flag, about]) => row(flag, about, flags))];
  if (rows.length === 1) throw new Error(`no flags for ${name}`);
  const widths = HEADER.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const lines = rows.map((row) => `| ${row.map((cell, column) => cell.padEnd(widths[column]!)).join(" | ")} |`);
  lines.splice(1, 0, `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`);
  return lines.join("\n");
}

function row(name: string, flag: Flag, flags: FlagTable<string>): string[] {
  const [, help, described] = /^(.*?)(?: \(default: (.*)\))?$/.exec(flag.help)!;
  const only = flag.only ? ` (only ${flag.only.map((subcommand) => `\`${subcommand}\``).join(", ")})` : "";
  const usage = `\`--${flag.negatable ? "[no-]" : ""}${name}${flag.value ? ` ${flag.value}` : ""}\``;
  const fallback = flag.fallback ?? described ?? "";
  return [
    flag.envOnly ? "only in the environment" : usage,
    `${help}${only}`,
    fallback === "" || fallback.includes(" ") ? fallback : `\`${fallback}\``,
    variablesOf(name, flags).map((variable) => `\`${variable}\``).join(", "),
  ].map((cell) => cell.replaceAll("|", "\\|"));
}

if (import.meta.main) {
  const page = new URL("../docs/flags.md", import.meta.url);
  await Deno.writeTextFile(page, withTables(await Deno.readTextFile(page)));
}

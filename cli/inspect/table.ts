import { printable } from "../../election/internal.ts";

/** ANSI codes. */
const CODES = { green: 32, yellow: 33, red: 31, bold: 1 } as const;

type Colour = keyof typeof CODES;

/** A text with an optional colour. */
export interface Painted {
  readonly text: string;
  readonly colour?: Colour;
}

/** How to format texts. */
export interface Show {
  readonly colours: boolean;
}

/** A text with its colour. Control characters are replaced: names come from other programs. */
export function paint({ text, colour }: Painted, { colours }: Show): string {
  const safe = printable(text);
  return colours && colour ? `\x1b[${CODES[colour]}m${safe}\x1b[0m` : safe;
}

/** Rows in aligned columns under a header. */
export function table(head: readonly string[], rows: readonly (readonly (Painted | string)[])[], show: Show): string {
  const cells = [head.map((text): Painted => ({ text, colour: "bold" })), ...rows].map((row) =>
    row.map((cell): Painted =>
      typeof cell === "string" ? { text: printable(cell) } : { ...cell, text: printable(cell.text) }
    )
  );
  const widths = head.map((_, column) => Math.max(...cells.map((row) => width(row[column]!.text))));
  const line = (row: readonly Painted[]) =>
    row.map((cell, column) => paint(cell, show) + " ".repeat(widths[column]! - width(cell.text))).join("  ").trimEnd();
  return cells.map(line).join("\n");
}

const graphemes = new Intl.Segmenter();
/** What takes two columns of a terminal: emoji, and the scripts of East Asia. */
const WIDE = /\p{Emoji_Presentation}|\uFE0F|[\u1100-\u115F\u2E80-\uA4CF\uAC00-\uD7A3\uF900-\uFAFF\uFF00-\uFF60]/u;

/** The columns of a terminal that a text takes. */
function width(text: string): number {
  if (/^\p{ASCII}*$/u.test(text)) return text.length;
  return Array.from(graphemes.segment(text), ({ segment }): number => WIDE.test(segment) ? 2 : 1)
    .reduce((sum, columns) => sum + columns, 0);
}

/** A time span such as "2 h 5 min". */
export function span(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  if (seconds < 60) return `${seconds} s`;
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`;
  if (hours < 48) return `${hours} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** The time since a date; empty if the date is unknown. */
export function since(date: Date | undefined, now = Date.now()): string {
  return date ? span(now - date.getTime()) : "";
}

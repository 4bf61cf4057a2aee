import { UNPRINTABLE } from "../election/internal.ts";

/** JSON for a terminal: like `JSON.stringify`, but also escapes what that leaves raw, such as U+009B and U+202E. */
export function visibleJson(value: unknown, replacer?: (name: string, value: unknown) => unknown): string {
  return JSON.stringify(value, replacer).replace(UNPRINTABLE, escaped);
}

/** The text, cut with an ellipsis if it is longer than so many UTF-16 units. */
export function shortened(text: string, maxLength: number): string {
  return text.length > maxLength ? text.slice(0, maxLength) + "…" : text;
}

function escaped(character: string): string {
  const units = Array.from({ length: character.length }, (_, index) => character.charCodeAt(index));
  return units.map((unit) => `\\u${unit.toString(16).padStart(4, "0")}`).join("");
}

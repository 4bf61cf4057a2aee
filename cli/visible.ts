/** Control and format characters, line separators and lone surrogates: they can move a cursor or hide text. */
const UNSAFE = /[\p{C}\p{Zl}\p{Zp}]/gu;

/** Text from etcd or a node for a terminal: one line, without characters that a terminal would obey. */
export function visible(text: string, maxLength = Infinity): string {
  return shortened(text, maxLength).replace(UNSAFE, "\uFFFD");
}

/** JSON that is safe on a terminal: like `JSON.stringify`, but also escapes what that leaves raw, such as U+009B. */
export function visibleJson(value: unknown, replacer?: (name: string, value: unknown) => unknown): string {
  return JSON.stringify(value, replacer).replace(UNSAFE, escaped);
}

/** The text, cut with an ellipsis if it is longer than so many UTF-16 units. */
export function shortened(text: string, maxLength: number): string {
  return text.length > maxLength ? text.slice(0, maxLength) + "…" : text;
}

function escaped(character: string): string {
  return Array.from(
    { length: character.length },
    (_, index) => `\\u${character.charCodeAt(index).toString(16).padStart(4, "0")}`,
  ).join("");
}

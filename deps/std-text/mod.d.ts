/** The part of `@std/text` that is used here: the word most like `givenWord` by edit distance. */
export function closestString(givenWord: string, possibleWords: readonly string[]): string;

/** A path as part of a shell text, also of one in quotes that a second shell reads: without quotes of its own. */
export function shellWord(path: string): string {
  return path.replaceAll(/[^\w./\u0080-\uffff-]/g, "\\$&");
}

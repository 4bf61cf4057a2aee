import { stripVTControlCharacters } from "node:util";

/** The test files with failures, as `deno test` lists them at the end of its output. */
export function failedFiles(output: string): string[] {
  const [, failures = ""] = stripVTControlCharacters(output).split("\n FAILURES \n");
  const names = failures.matchAll(/ => \.\/(\S+_test\.ts):\d+:\d+$|^\.\/(\S+_test\.ts) \(uncaught error\)$/gm);
  return [...new Set([...names].map(([, file, module]) => file ?? module!))];
}

import { realpathSync } from "node:fs";
import process from "node:process";

/** The running Node.js. */
export const EXECUTABLE = process.execPath;

/** Asked now: an update may replace the link of `npx`. */
const MAIN = realpathSync(process.argv[1]!);

/** What makes this program out of the running executable. */
export function programArgs(): string[] {
  return [MAIN];
}

/** What another process of this program needs. */
export function programFiles(): string[] {
  return [EXECUTABLE, MAIN];
}

/** The part of `@std/cli` that is used here; see https://jsr.io/@std/cli/doc/parse-args. */
export interface ParseOptions {
  "--"?: boolean;
  string?: readonly string[];
  boolean?: readonly string[];
  unknown?: (arg: string, key?: string, value?: unknown) => unknown;
}

/** Takes command line arguments apart. */
export function parseArgs(
  args: readonly string[],
  options?: ParseOptions,
): { _: string[]; "--"?: string[]; [flag: string]: unknown };

/** `@std/cli` from npm, with type declarations, which the npm package does not have. */
// @ts-types="./mod.d.ts"
export { parseArgs } from "npm:deno-std@1.4.0/cli/parse_args.js";

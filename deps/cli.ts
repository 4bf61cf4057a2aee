/** `@std/cli`, as the npm mirror has it, with the types that the mirror leaves out. */
// @ts-types="./cli.d.ts"
export { parseArgs } from "npm:deno-std@1.4.0/cli/parse_args.js";

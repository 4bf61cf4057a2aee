/** `@std/text` from npm, with type declarations, which the npm package does not have. */
// @ts-types="./mod.d.ts"
export { closestString } from "npm:deno-std@1.4.0/text/closest_string.js";

/** `@std/text`, as the npm mirror has it, with the types that the mirror leaves out. */
// @ts-types="./text.d.ts"
export { closestString } from "npm:deno-std@1.4.0/text/closest_string.js";

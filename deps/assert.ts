/** `@std/assert`, as the npm mirror has it, with the types that the mirror leaves out. */
// @ts-types="./assert.d.ts"
export * from "npm:deno-std@1.4.0/assert/mod.js";

/** `@std/fmt`'s colors, as the npm mirror has them, with the types that the mirror leaves out. */
// @ts-types="./fmt.d.ts"
export * from "npm:deno-std@1.4.0/fmt/colors.js";

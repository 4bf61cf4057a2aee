/** `@std/streams` from npm, with type declarations, which the npm package does not have. */
// @ts-types="./mod.d.ts"
export { TextLineStream } from "npm:deno-std@1.4.0/streams/text_line_stream.js";

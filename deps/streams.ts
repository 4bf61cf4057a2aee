/** `@std/streams`, as the npm mirror has it, with the types that the mirror leaves out. */
// @ts-types="./streams.d.ts"
export { TextLineStream } from "npm:deno-std@1.4.0/streams/text_line_stream.js";

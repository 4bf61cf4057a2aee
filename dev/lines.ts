import { TextLineStream } from "@std/streams/text-line-stream";

/** The lines of a byte stream. */
export function lines(stream: ReadableStream<Uint8Array<ArrayBuffer>>): ReadableStream<string> {
  return stream.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream());
}

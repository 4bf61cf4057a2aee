/** The part of `@std/streams` that is used here: text in, lines out. */
export class TextLineStream extends TransformStream<string, string> {
  constructor(options?: { allowCR?: boolean });
}

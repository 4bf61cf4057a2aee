/** The part of `@std/yaml` that is used here: text in, values out. */
export function parse(content: string, options?: { schema?: "core" | "extended" }): unknown;

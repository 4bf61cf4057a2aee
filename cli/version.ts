import denoJson from "../deno.json" with { type: "json" };

/** Replaced by `deno task compile` with the commit. */
const COMMIT = "@COMMIT@";

/** The version of the program; in an executable with the commit. */
export const VERSION = COMMIT.startsWith("@") ? denoJson.version : `${denoJson.version} (${COMMIT})`;

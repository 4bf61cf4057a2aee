import denoJson from "../deno.json" with { type: "json" };

/** `deno task compile` puts the commit here. */
const COMMIT = "@COMMIT@";

/** The version of the program, with the commit that an executable was made of. */
export const VERSION = COMMIT.startsWith("@") ? denoJson.version : `${denoJson.version} (${COMMIT})`;

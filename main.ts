import denoJson from "./deno.json" with { type: "json" };
import { helpText, parseCommandLine, UsageError } from "./cli/flags.ts";
import { runNode } from "./cli/node.ts";
import { ListenError } from "./http/server.ts";

/** Does what the command line says and gives the exit code. */
async function main(args: readonly string[]): Promise<number> {
  try {
    const command = parseCommandLine(args, (name) => Deno.env.get(name));
    if (command.type === "help") console.log(helpText());
    else if (command.type === "version") console.log(`leader-node ${denoJson.version}`);
    else await runNode(command.config, denoJson.version);
    return 0;
  } catch (error) {
    if (!(error instanceof UsageError) && !(error instanceof ListenError)) throw error;
    console.error(`leader-node: ${error.message}`);
    return error instanceof UsageError ? 2 : 1;
  }
}

if (import.meta.main) Deno.exit(await main(Deno.args));

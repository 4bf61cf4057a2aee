import { parseArgs } from "@std/cli";

/** What `--minutes M` says to a task, 10 if nothing; ends the process if it says nothing that can be. */
export function readMinutes(task: string): number {
  const { minutes = "10" } = parseArgs(Deno.args, {
    string: ["minutes"],
    unknown: (arg) => {
      console.error(`usage: deno task ${task} [--minutes M], not ${JSON.stringify(arg)}`);
      Deno.exit(2);
    },
  });
  if (Number(minutes) > 0) return Number(minutes);
  console.error(`${task}: --minutes cannot be "${minutes}": expected a number above 0`);
  Deno.exit(2);
}

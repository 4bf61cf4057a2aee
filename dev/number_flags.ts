import { parseArgs } from "@std/cli/parse-args";

/**
 * What flags such as `--minutes M` say to a task or program, or how much it is if nothing is said; ends the process if
 * they say nothing that can be.
 */
export function readNumbers<Name extends string>(
  command: string,
  defaults: Readonly<Record<Name, number>>,
): Record<Name, number> {
  const names = Object.keys(defaults) as Name[];
  const usage = [command, ...names.map((name) => `[--${name} ${name[0]!.toUpperCase()}]`)].join(" ");
  const given = parseArgs(Deno.args, {
    string: names as string[],
    unknown: (arg) => {
      console.error(`usage: ${usage}, not ${JSON.stringify(arg)}`);
      Deno.exit(2);
    },
  }) as Partial<Record<Name, string>>;
  const read = (name: Name) => {
    const text = given[name];
    if (text === undefined) return defaults[name];
    if (Number(text) > 0) return Number(text);
    console.error(`${command}: --${name} cannot be "${text}": expected a number above 0`);
    Deno.exit(2);
  };
  return Object.fromEntries(names.map((name) => [name, read(name)])) as Record<Name, number>;
}

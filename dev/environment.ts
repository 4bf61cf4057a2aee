/**
 * This process's environment without what would set up the programs that we start.
 *
 * @param names The variables to leave out; on Windows, upper and lower case are the same.
 */
export function environmentWithout(
  names: RegExp,
  env: Record<string, string> = Deno.env.toObject(),
  os: typeof Deno.build.os = Deno.build.os,
): Record<string, string> {
  const pattern = os === "windows" ? new RegExp(names, "i") : names;
  return Object.fromEntries(Object.entries(env).filter(([name]) => !pattern.test(name)));
}

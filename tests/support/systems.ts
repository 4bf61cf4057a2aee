/** Tests of what some systems do not have. They are ignored there, and counted as such. */

/** A test that needs /proc, control groups, or the tools of Linux. */
export const linuxTest: typeof Deno.test.ignore = Deno.build.os === "linux" ? Deno.test : Deno.test.ignore;

/** A test that needs a shell, or signals that a process can handle or that freeze it. */
export const unixTest: typeof Deno.test.ignore = Deno.build.os === "windows" ? Deno.test.ignore : Deno.test;

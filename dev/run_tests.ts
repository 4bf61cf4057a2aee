// Not named test.ts: `deno test` would import that as a test, and so start itself again and again.
/**
 * `deno task test [FLAGS]`: all tests, three files at a time or as many as there are cores; `DENO_JOBS` says otherwise.
 * They wait more than they compute. Tests that others disturb run two at a time after the others, and those that
 * overload the machine alone. A file of which a test failed runs once more, alone, at the end. With paths, only those,
 * and once.
 */
import { failedFiles } from "./failed_files.ts";

const TWO_AT_A_TIME = ["command", "daemons", "stop_grace", "watchdog_faults"].map((name) => `tests/${name}_test.ts`);
// The test of releases sets the PATH, which is the whole process's.
const ALONE = ["chaos/machine", "connection", "etcd_release"].map((name) => `tests/${name}_test.ts`);
/** What these look for may show once in many runs: a failure stands. */
const NEVER_AGAIN = /^tests\/(chaos\/|simulation|unit\/)/;
const JOBS = Deno.env.get("DENO_JOBS") ?? String(Math.max(3, navigator.hardwareConcurrency));
const LOOPBACK = `localhost,127.0.0.1,::1,${Deno.env.get("NO_PROXY") ?? Deno.env.get("no_proxy") ?? ""}`;
const hasPaths = Deno.args.some((arg) => arg.startsWith("tests/"));

async function test(args: string[], jobs = JOBS): Promise<{ readonly code: number; readonly output: string }> {
  const command = new Deno.Command(Deno.execPath(), {
    args: ["test", "-A", "--quiet", ...args, ...Deno.args],
    // The servers of the tests are here, and none of a proxy's business.
    env: { DENO_JOBS: jobs, NO_PROXY: LOOPBACK, no_proxy: LOOPBACK },
    stdout: "piped",
  });
  const process = command.spawn();
  const [shown, read] = process.stdout.tee();
  const [output] = await Promise.all([
    new Response(read).text(),
    shown.pipeTo(Deno.stdout.writable, { preventClose: true }),
  ]);
  return { code: (await process.status).code, output };
}

/** Runs files; gives those that failed and may run once more, or nothing if a failure stands. */
async function failures(args: string[], jobs?: string): Promise<readonly string[] | undefined> {
  const { code, output } = await test(args, jobs);
  if (code === 0) return [];
  const failed = failedFiles(output);
  return failed.length > 0 && !failed.some((file) => NEVER_AGAIN.test(file)) ? failed : undefined;
}

async function testAll(): Promise<number> {
  const { os } = Deno.build;
  if (os !== "linux") console.log(`Tests of what ${os} does not have are ignored; the sums below count them.\n`);
  const runs = [
    await failures(["--parallel", `--ignore=${[...TWO_AT_A_TIME, ...ALONE].join(",")}`]),
    await failures(["--parallel", ...TWO_AT_A_TIME], "2"),
    await failures(ALONE),
  ];
  const again = runs.flatMap((failed) => failed ?? []);
  if (again.length > 0) console.log(`\nA test failed; these files run once more, alone: ${again.join(" ")}\n`);
  const { code } = again.length > 0 ? await test(again) : { code: 0 };
  return runs.includes(undefined) ? 1 : code;
}

Deno.exit(hasPaths ? (await test(["--parallel"])).code : await testAll());

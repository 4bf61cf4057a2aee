// Not named test.ts: `deno test` would import that as a test, and so start itself again and again.
/**
 * `deno task test [FLAGS]`: all tests, three files at a time or as many as there are cores; `DENO_JOBS` says otherwise.
 * They wait more than they compute. Tests that overload the machine, or that others disturb, run alone, after the
 * others. With paths, only those.
 */
const ALONE = [
  "tests/chaos/machine_test.ts",
  ...["command", "connection", "daemons", "stop_grace", "watchdog_faults"].map((name) => `tests/${name}_test.ts`),
];
const jobs = Deno.env.get("DENO_JOBS") ?? String(Math.max(3, navigator.hardwareConcurrency));
const hasPaths = Deno.args.some((arg) => arg.startsWith("tests/"));

async function test(...args: string[]): Promise<number> {
  const command = new Deno.Command(Deno.execPath(), {
    args: ["test", "-A", "--quiet", ...args, ...Deno.args],
    env: { DENO_JOBS: jobs },
  });
  return (await command.spawn().status).code;
}

const codes = hasPaths
  ? [await test("--parallel")]
  : [await test("--parallel", `--ignore=${ALONE.join(",")}`), await test(...ALONE)];
Deno.exit(Math.max(...codes));

/** Files that are mutated, and what must notice it. */
export interface Target {
  readonly folder: string;
  /** Which paths of the folder, from the root. */
  readonly files: RegExp;
  /** Files of tests, by their paths from the root. */
  readonly tests: readonly string[];
  /** Whether the simulation runs them. */
  readonly simulated: boolean;
}

const unit = Array.from(Deno.readDirSync(new URL("../../tests/unit/", import.meta.url)), ({ name }) => name).sort();
const tests = (pattern: RegExp) => unit.filter((name) => pattern.test(name)).map((name) => `tests/unit/${name}`);

/** The decisions: pure code, and the supervisor's. */
export const TARGETS: readonly Target[] = [
  {
    folder: "election/machine",
    files: /^election\/machine\//,
    tests: tests(/^(machine|queue|deadline|participant).*_test\.ts$/),
    simulated: true,
  },
  { folder: "election/etcd", files: /\/codec\.ts$/, tests: tests(/^(queue|codec)_test\.ts$/), simulated: false },
  {
    folder: "supervise",
    files: /\/(budgets|guard|place|supervisor)\.ts$/,
    tests: tests(/^(budgets|guard|place|supervisor).*_test\.ts$/),
    simulated: false,
  },
];

/** The files of a target, by their paths from the root. */
export function filesOf(root: string, { folder, files }: Target): string[] {
  const paths = Array.from(Deno.readDirSync(root + folder), ({ name }) => `${folder}/${name}`);
  return paths.filter((path) => files.test(path)).sort();
}

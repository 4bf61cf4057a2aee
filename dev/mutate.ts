/**
 * `deno task mutate [--files GLOB] [--seeds N]`: changes the decision code in one small place after another, and tells
 * which changes no test notices. Exit code 0 if there are none besides those in `mutate/equivalents.txt`.
 */
import { parseArgs } from "@std/cli/parse-args";
import { fileURLToPath } from "node:url";
import { interrupted } from "./interrupted.ts";
import { Equivalents } from "./mutate/equivalents.ts";
import { applyMutant, type Mutant, mutantsOf } from "./mutate/mutants.ts";
import { filesOf, TARGETS } from "./mutate/targets.ts";
import { TypeChecker } from "./mutate/type_checker.ts";
import { Workbench } from "./mutate/workbench.ts";

const USAGE = "usage: deno task mutate [--files GLOB] [--seeds N]";
const PROGRESS_EVERY_MS = 5000;

/** What became of a mutant. */
type Outcome = "unit" | "simulation" | "equivalent" | "unexplained";

interface Job {
  readonly mutant: Mutant;
  readonly source: string;
  readonly tests: readonly string[];
  readonly simulated: boolean;
}

class Mutation {
  readonly #root = fileURLToPath(new URL("../", import.meta.url));
  readonly #seeds: number;
  readonly #equivalents = new Equivalents(
    Deno.readTextFileSync(new URL("mutate/equivalents.txt", import.meta.url)),
  );
  readonly #counts: Record<Outcome, number> = { unit: 0, simulation: 0, equivalent: 0, unexplained: 0 };
  readonly #began = performance.now();
  #reportedAt = this.#began;
  #unsound = 0;

  constructor(seeds: number) {
    this.#seeds = seeds;
  }

  /** Tries all mutants of these files, and gives the exit code. */
  async run(wanted: (file: string) => boolean): Promise<number> {
    const files = TARGETS.flatMap((target) => filesOf(this.#root, target)).filter(wanted);
    if (files.length === 0) throw new RangeError(`${USAGE}: there is no such file among those that are mutated`);
    const jobs = this.#jobs(files, await TypeChecker.load(this.#root, files));
    const benches = Array.from({ length: navigator.hardwareConcurrency }, () => new Workbench(this.#root, this.#seeds));
    interrupted().then(() => {
      for (const bench of benches) bench.remove();
      Deno.exit(130);
    });
    try {
      await benches[0]!.tryWithout(TARGETS);
      await Promise.all(benches.map(async (bench) => {
        bench.limits = benches[0]!.limits;
        for (const job of jobs) this.#record(job, await this.#try(bench, job));
      }));
    } finally {
      for (const bench of benches) bench.remove();
    }
    return this.#report(wanted);
  }

  /** The mutants whose types are sound, each when a bench is free for it. */
  *#jobs(files: readonly string[], checker: TypeChecker): Generator<Job> {
    for (const file of files) {
      const source = Deno.readTextFileSync(this.#root + file);
      const { tests, simulated } = TARGETS.find((target) => target.files.test(file))!;
      const errors = checker.errors(this.#root + file, source);
      if (errors.length > 0) throw new Error(`${file} as it is: ${errors[0]}`);
      for (const mutant of mutantsOf(file, source)) {
        const isSound = checker.errors(this.#root + file, applyMutant(source, mutant)).length === 0;
        if (isSound) yield { mutant, source, tests, simulated };
        else this.#unsound++;
      }
    }
  }

  async #try(bench: Workbench, { mutant, source, tests, simulated }: Job): Promise<Outcome> {
    using _ = bench.put(mutant.file, source, applyMutant(source, mutant));
    if (!await bench.passes(tests)) return "unit";
    if (this.#equivalents.take(mutant.key)) return "equivalent";
    return !simulated || await bench.simulates() ? "unexplained" : "simulation";
  }

  #record({ mutant }: Job, outcome: Outcome): void {
    this.#counts[outcome]++;
    const { file, line, kind, was, became, key } = mutant;
    if (outcome === "unexplained") console.log(`${file}:${line} [${kind}] ${was} => ${became}\n  ${key}`);
    if (performance.now() - this.#reportedAt < PROGRESS_EVERY_MS) return;
    this.#reportedAt = performance.now();
    console.error(`${file}:${line}: ${this.#summary}`);
  }

  get #summary(): string {
    const { unit, simulation, equivalent, unexplained } = this.#counts;
    const all = unit + simulation + equivalent + unexplained;
    return `mutants: ${all}, killed by unit tests ${unit}, by the simulation ${simulation}; equivalent ${equivalent}, ` +
      `unexplained ${unexplained}`;
  }

  #report(wanted: (file: string) => boolean): number {
    const stale = this.#equivalents.untaken.filter((key) => wanted(key.split(" | ", 1)[0]!));
    for (const key of stale) console.log(`not a mutant that survives, though listed as equivalent:\n  ${key}`);
    const seconds = ((performance.now() - this.#began) / 1000).toFixed(0);
    console.log(`${this.#summary}; with wrong types: ${this.#unsound}; seeds: ${this.#seeds}; ${seconds} s`);
    return this.#counts.unexplained + stale.length > 0 ? 1 : 0;
  }
}

/** Whether a path matches a pattern, of which `*` is part of a name and `**` part of a path. */
function matcher(glob: string): (file: string) => boolean {
  const parts = glob.split("**").map((part) => part.split("*").map(RegExp.escape).join("[^/]*"));
  const pattern = new RegExp(`^${parts.join(".*")}$`);
  return (file) => pattern.test(file);
}

try {
  const { files = "**", seeds = "300", _: stray } = parseArgs(Deno.args, {
    string: ["files", "seeds"],
    unknown: (arg) => {
      throw new RangeError(`${USAGE}, not ${JSON.stringify(arg)}`);
    },
  }) as { files?: string; seeds?: string; _: unknown[] };
  if (stray.length > 0 || !/^\d{1,7}$/.test(seeds)) throw new RangeError(USAGE);
  Deno.exit(await new Mutation(Number(seeds)).run(matcher(files)));
} catch (error) {
  if (!(error instanceof RangeError)) throw error;
  console.error(error.message);
  Deno.exit(2);
}

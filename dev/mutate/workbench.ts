import { cpSync } from "node:fs";
import { Program } from "../program.ts";
import type { Target } from "./targets.ts";

/** What the tests of the decisions need. */
const NEEDED = ["deno.json", "deno.lock", "deps", "election", "supervise", "tests/unit", "tests/support"];
const SIMULATION = "tests/simulation";
/** Imports all tests of a target. */
const ALL_TESTS = "all_tests.ts";

/** How much longer than without a mutant tests may take, at a time when others use the machine too. */
const PATIENCE = 10;
const PATIENCE_MS = 5000;

/** A copy of the source in which one mutant after another is tried, each in a process of its own. */
export class Workbench {
  readonly #root = Deno.makeTempDirSync({ prefix: "leader-node-mutate-" });
  readonly #seeds: number;
  #running: Program | undefined;
  /** How long it takes without a mutant, in milliseconds. */
  limits = { tests: Infinity, simulation: Infinity };

  constructor(root: string, seeds: number) {
    this.#seeds = seeds;
    for (const path of [...NEEDED, SIMULATION]) cpSync(root + path, `${this.#root}/${path}`, { recursive: true });
  }

  /** Puts a mutant in the place of a file, until it is disposed of. */
  put(file: string, source: string, mutated: string): Disposable {
    const path = `${this.#root}/${file}`;
    Deno.writeTextFileSync(path, mutated);
    return { [Symbol.dispose]: () => Deno.writeTextFileSync(path, source) };
  }

  /** Sees that all tests pass as long as there is no mutant, and how long they take. */
  async tryWithout(targets: readonly Target[]): Promise<void> {
    const limit = async (passes: () => Promise<boolean>) => {
      const from = performance.now();
      if (!await passes()) throw new RangeError("the tests fail as it is, without a mutant");
      return PATIENCE * (performance.now() - from) + PATIENCE_MS;
    };
    const tests = targets.flatMap(({ tests }) => tests);
    this.limits = {
      tests: await limit(() => this.passes(tests)),
      simulation: await limit(() => this.simulates()),
    };
  }

  /** Whether these tests pass. All in one module, since a second one would take as long to load as all tests take. */
  async passes(tests: readonly string[]): Promise<boolean> {
    if (tests.length === 0) return true;
    Deno.writeTextFileSync(`${this.#root}/${ALL_TESTS}`, tests.map((path) => `import "./${path}";\n`).join(""));
    return await this.#ends(["test", "-A", "--quiet", "--no-check", "--fail-fast", ALL_TESTS], this.limits.tests);
  }

  /** Whether the simulation finds nothing. */
  async simulates(): Promise<boolean> {
    if (this.#seeds === 0) return true;
    const args = ["run", "-A", "--quiet", "--no-check", `${SIMULATION}/main.ts`, "--seeds", String(this.#seeds)];
    return await this.#ends(args, this.limits.simulation);
  }

  remove(): void {
    this.#running?.kill("SIGKILL");
    Deno.removeSync(this.#root, { recursive: true });
  }

  /** Whether a program ends well, and in time. */
  async #ends(args: readonly string[], withinMs: number): Promise<boolean> {
    const program = Program.start(Deno.execPath(), args, { cwd: this.#root, silent: true });
    this.#running = program;
    const timer = withinMs < Infinity ? setTimeout(() => program.kill("SIGKILL"), withinMs) : undefined;
    const { success } = await program.status;
    clearTimeout(timer);
    return success;
  }
}

/**
 * `deno task simulate [--seeds N] [--seed S] [--locks]`: elections, or locks, in worlds of random faults, one for each
 * seed.
 * `deno task simulate --exhaustive 1|2 [--share K/N]`: one story with each fault, or each pair of faults, at each point.
 */
import { parseArgs } from "@std/cli/parse-args";
import { exhaust, type ExhaustiveOptions } from "./exhaustive.ts";
import { run } from "./random_story.ts";
import type { Overlaps } from "./world.ts";

const USAGE = "usage: deno task simulate [--seeds N] [--seed S] [--locks], or --exhaustive 1|2 [--share K/N]";
const PROGRESS_EVERY_MS = 2000;

/** Prints lines of progress, with the rate; not too many. */
class Progress {
  readonly #began = performance.now();
  #reportedAt = this.#began;

  report(done: number, text: () => string, last = false): void {
    const now = performance.now();
    if (!last && now - this.#reportedAt < PROGRESS_EVERY_MS) return;
    this.#reportedAt = now;
    console.log(`${text()}, ${(done / (now - this.#began) * 1000).toFixed(0)}/s, no violation`);
  }
}

/** The simulated network fails often: the stacks of errors that nobody prints would take a good part of the time. */
function leaveOutStacks(): void {
  Error.stackTraceLimit = 0;
}

/** Runs the seeds until one fails, and gives the exit code. */
async function simulate(first: number, count: number, locks: boolean): Promise<number> {
  const progress = new Progress();
  if (count > 1) leaveOutStacks();
  let terms = 0;
  let taken: Overlaps = { count: 0, longestMs: 0 };
  const text = (seeds: number) => () => {
    const overlaps = `overlaps after a key was taken away: ${taken.count}, ${taken.longestMs.toFixed(0)} ms at most`;
    return `seeds: ${seeds}, terms: ${terms}, ${overlaps}`;
  };
  for (let seed = first; seed < first + count; seed++) {
    const result = await run({ seed, locks });
    if (result.violation) {
      console.log((await run({ seed, locks, trace: true })).trace.join("\n"));
      console.log(
        `seed ${seed}: ${result.violation}\nreplay: deno task simulate --seeds 1 --seed ${seed}${
          locks ? " --locks" : ""
        }`,
      );
      return 1;
    }
    terms += result.terms;
    const { count, longestMs } = result.taken;
    taken = { count: taken.count + count, longestMs: Math.max(taken.longestMs, longestMs) };
    progress.report(seed - first + 1, text(seed - first + 1));
  }
  progress.report(count, text(count), true);
  return 0;
}

/** Runs all faults, or all pairs of them, until a world fails, and gives the exit code. */
async function simulateAll(options: ExhaustiveOptions): Promise<number> {
  leaveOutStacks();
  const progress = new Progress();
  let done = 0;
  for await (const { worlds, of, violation, trace } of exhaust(options)) {
    if (violation) {
      console.log(`${trace!.join("\n")}\nworld ${worlds}: ${violation}`);
      return 1;
    }
    done = worlds;
    progress.report(worlds, () => `worlds: ${worlds} of ${of}`);
  }
  progress.report(done, () => `worlds: ${done}`, true);
  return 0;
}

function whole(text: unknown, fallback: number): number {
  if (text === undefined) return fallback;
  if (/^[1-9]\d{0,8}$/.test(String(text))) return Number(text);
  throw new RangeError(`${USAGE}: expected whole numbers from 1, not ${JSON.stringify(text)}`);
}

function exhaustive(faults: unknown, share: unknown = "1/1"): ExhaustiveOptions {
  if (!/^[12]$/.test(String(faults))) throw new RangeError(`${USAGE}: expected 1 or 2, not ${JSON.stringify(faults)}`);
  const [part, of] = String(share).split("/").map((text) => whole(text, 1));
  if (!part || !of || part > of) throw new RangeError(`${USAGE}: expected a share such as 1/8`);
  return { faults: Number(faults) as 1 | 2, share: { part, of } };
}

if (import.meta.main) {
  try {
    const { seeds, seed, exhaustive: faults, share, locks, _: stray } = parseArgs(Deno.args, {
      boolean: ["locks"],
      string: ["seeds", "seed", "exhaustive", "share"],
      unknown: (arg) => {
        throw new RangeError(`${USAGE}, not ${JSON.stringify(arg)}`);
      },
    });
    if (stray.length > 0) throw new RangeError(USAGE);
    const all = faults ? exhaustive(faults, share) : undefined;
    Deno.exit(all ? await simulateAll(all) : await simulate(whole(seed, 1), whole(seeds, 10_000), locks === true));
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    console.error(error.message);
    Deno.exit(2);
  }
}

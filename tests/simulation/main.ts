/** `deno task simulate --seeds N [--seed S]`: elections in a world of faults, one for each seed. */
import { parseArgs } from "@std/cli/parse-args";
import { run } from "./world.ts";

const USAGE = "usage: deno task simulate [--seeds N] [--seed S]";
const PROGRESS_EVERY_MS = 2000;

function whole(text: unknown, fallback: number): number {
  if (text === undefined) return fallback;
  if (/^[1-9]\d{0,8}$/.test(String(text))) return Number(text);
  throw new RangeError(`${USAGE}: expected whole numbers from 1, not ${JSON.stringify(text)}`);
}

/** Runs the seeds until one fails, and gives the exit code. */
async function simulate(first: number, count: number): Promise<number> {
  const began = performance.now();
  let told = began;
  let terms = 0;
  let taken = { count: 0, longestMs: 0 };
  const report = (seeds: number) => {
    const seconds = (performance.now() - began) / 1000;
    const { count, longestMs } = taken;
    const overlaps = `${count} overlaps after a key was taken away, ${longestMs.toFixed(0)} ms at most`;
    console.log(`${seeds} seeds, ${terms} terms, ${(seeds / seconds).toFixed(0)} seeds/s, no violation; ${overlaps}`);
  };
  for (let seed = first; seed < first + count; seed++) {
    const result = await run({ seed });
    terms += result.terms;
    const { count, longestMs } = result.taken;
    taken = { count: taken.count + count, longestMs: Math.max(taken.longestMs, longestMs) };
    if (result.violation) {
      console.log((await run({ seed, trace: true })).trace.join("\n"));
      console.log(`seed ${seed}: ${result.violation}\nreplay: deno task simulate --seeds 1 --seed ${seed}`);
      return 1;
    }
    if (performance.now() - told > PROGRESS_EVERY_MS) {
      told = performance.now();
      report(seed - first + 1);
    }
  }
  report(count);
  return 0;
}

if (import.meta.main) {
  try {
    const { seeds, seed, _: stray } = parseArgs(Deno.args, {
      string: ["seeds", "seed"],
      unknown: (arg) => {
        throw new RangeError(`${USAGE}, not ${JSON.stringify(arg)}`);
      },
    });
    if (stray.length > 0) throw new RangeError(USAGE);
    Deno.exit(await simulate(whole(seed, 1), whole(seeds, 10_000)));
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    console.error(error.message);
    Deno.exit(2);
  }
}

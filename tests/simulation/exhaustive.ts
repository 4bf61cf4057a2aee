import type { Sabotage } from "./model_node.ts";
import { describe, type Fault, mayMeet, singles, tell, VARIANTS } from "./pairs.ts";

/** How far a run of all faults has come. */
export interface Progress {
  readonly worlds: number;
  readonly of: number;
  /** Which of the worlds violates what, if one does: then it is the last one. */
  readonly violation?: string;
  /** The trace of that world. */
  readonly trace?: readonly string[];
}

/** Which worlds to run. */
export interface ExhaustiveOptions {
  /** 1 for each fault alone, 2 for each pair. */
  readonly faults: 1 | 2;
  /** One world of so many, beginning with this one. */
  readonly share?: { readonly part: number; readonly of: number };
  readonly sabotage?: Sabotage;
}

/** Runs the worlds, one variant of the story after another, and yields after each world; the first violation ends it. */
export async function* exhaust(
  { faults, share = { part: 1, of: 1 }, sabotage }: ExhaustiveOptions,
): AsyncIterable<Progress> {
  const variants = await Promise.all(VARIANTS.map(async (variant) => ({ variant, all: await singles(variant) })));
  const count = ({ length }: readonly Fault[]) => faults === 1 ? length : length * (length - 1) / 2;
  const of = Math.ceil(variants.reduce((sum, { all }) => sum + count(all), 0) / share.of);
  let [worlds, index] = [0, 0];
  for (const { variant, all } of variants) {
    for (const chosen of faults === 1 ? all.map((fault) => [fault]) : pairs(all)) {
      if (index++ % share.of !== share.part - 1) continue;
      if (chosen[1] && !mayMeet(chosen[0]!, chosen[1])) continue;
      const { violation } = await tell(variant, chosen, { sabotage });
      worlds++;
      if (!violation) {
        yield { worlds, of };
        continue;
      }
      const { trace } = await tell(variant, chosen, { sabotage, trace: true });
      return yield { worlds, of, violation: `${chosen.map(describe).join(", ")}: ${violation}`, trace };
    }
  }
}

function* pairs(all: readonly Fault[]): Iterable<Fault[]> {
  for (const [index, one] of all.entries()) {
    for (const other of all.slice(index + 1)) yield [one, other];
  }
}

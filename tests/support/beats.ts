import { assert } from "@std/assert";
import { shellWord } from "./shell_word.ts";

/** A file into which commands write, every few milliseconds, that they run, and for which term. */
export class Beats implements AsyncDisposable {
  readonly file: string;

  private constructor(file: string) {
    this.file = file;
  }

  static async create(): Promise<Beats> {
    return new Beats(await Deno.makeTempFile({ prefix: "leader-node-beats-" }));
  }

  /**
   * A command that beats until it is told to end, or for half a minute; `more` is shell that runs first, with
   * `$BEAT` to beat by.
   */
  command(more = ""): string[] {
    const beat = `for i in $(seq 2000); do echo "$LEADER_NODE_TOKEN $0 $(date +%s%N)" >> ${
      shellWord(this.file)
    }; sleep 0.01; done`;
    return ["sh", "-c", `export BEAT='${beat}'\n${more}\n${beat}`, "main"];
  }

  /** Resolves when `who` has beaten so often, in the term with this token or in any. */
  async begins(who = "main", token?: number, times = 1): Promise<void> {
    const counts = (beat: { who: string; token: number }) => beat.who === who && (token ?? beat.token) === beat.token;
    while (this.#read().filter(counts).length < times) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  /** How many beats there were of other terms than that with this token. */
  besides(token: number): number {
    return this.#read().filter((beat) => beat.token !== token).length;
  }

  /** Fails if the beats of one term go on when those of another have begun; gives how many terms there were. */
  assertNoOverlap(): number {
    const overlap = this.overlap();
    assert(overlap === undefined, overlap);
    return this.#terms().length;
  }

  /** What is wrong if the beats of one term go on when those of another have begun. */
  overlap(): string | undefined {
    const terms = this.#terms();
    for (const [index, [token, { first }]] of terms.entries()) {
      const before = terms[index - 1];
      if (!before) continue;
      const gap = Number(first - before[1].last) / 1e6;
      if (gap <= 0) return `token ${before[0]} goes on for ${-gap} ms after token ${token} has begun`;
    }
  }

  /** The first and the last beat of each term, in order. */
  #terms(): [token: number, beats: { first: bigint; last: bigint }][] {
    const terms = new Map<number, { first: bigint; last: bigint }>();
    for (const { token, at } of this.#read()) {
      const term = terms.get(token) ?? { first: at, last: at };
      terms.set(token, { first: at < term.first ? at : term.first, last: at > term.last ? at : term.last });
    }
    return [...terms].sort(([a], [b]) => a - b);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.file);
  }

  #read(): { token: number; who: string; at: bigint }[] {
    return Deno.readTextFileSync(this.file).split("\n").slice(0, -1).map((line) => {
      const [token, who, at] = line.split(" ");
      return { token: Number(token), who: who!, at: BigInt(at!) };
    });
  }
}

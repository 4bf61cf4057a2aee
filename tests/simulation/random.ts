/** Random numbers from a seed: the same seed gives the same numbers. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
    // Neighbouring seeds should not begin alike.
    for (let round = 0; round < 5; round++) this.unit();
  }

  /** From 0 to less than 1 (mulberry32). */
  unit(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** From `least` to less than `most`. */
  between(least: number, most: number): number {
    return least + (most - least) * this.unit();
  }

  /** True this often. */
  chance(probability: number): boolean {
    return this.unit() < probability;
  }

  /** One of these. */
  pick<T>(items: readonly T[]): T {
    return items[Math.floor(this.unit() * items.length)]!;
  }
}

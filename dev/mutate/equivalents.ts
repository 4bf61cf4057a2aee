/** The mutants that no test can notice, each with the reason. A file of reasons, each above its mutants, indented. */
export class Equivalents {
  readonly #untaken: Set<string>;
  readonly #keys: ReadonlySet<string>;

  constructor(text: string) {
    const keys = text.split("\n").filter((line) => line.startsWith("  ")).map((line) => line.trim());
    this.#keys = new Set(keys);
    this.#untaken = new Set(keys);
  }

  /** Whether a mutant that survived is in the list. */
  take(key: string): boolean {
    this.#untaken.delete(key);
    return this.#keys.has(key);
  }

  /** Entries that no mutant had that survived. */
  get untaken(): string[] {
    return [...this.#untaken];
  }
}

/** Selects the next endpoint: the one with the fewest failures since its last answer. */
export class Endpoints {
  readonly #urls: readonly string[];
  readonly #failures = new Map<string, number>();

  constructor(urls: readonly string[]) {
    this.#urls = urls;
  }

  /** The first endpoint to try. */
  get first(): string {
    return this.#urls[0]!;
  }

  answered(url: string): void {
    this.#failures.delete(url);
  }

  /** The endpoint to try after `url` failed; among equals, the next in the list. */
  failed(url: string): string {
    this.#failures.set(url, this.#failuresOf(url) + 1);
    const from = this.#urls.indexOf(url) + 1;
    const others = [...this.#urls.slice(from), ...this.#urls.slice(0, from)];
    return others.reduce((best, next) => this.#failuresOf(next) < this.#failuresOf(best) ? next : best);
  }

  #failuresOf(url: string): number {
    return this.#failures.get(url) ?? 0;
  }
}

/** Which of etcd's endpoints to try next: those that failed least since they last answered. */
export class Endpoints {
  readonly #urls: readonly string[];
  readonly #failures = new Map<string, number>();

  constructor(urls: readonly string[]) {
    this.#urls = urls;
  }

  /** The first one to try. */
  get first(): string {
    return this.#urls[0]!;
  }

  answered(url: string): void {
    this.#failures.delete(url);
  }

  /** The one to try after `url` failed; of those that are equally good, the next in the list. */
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

import { elapsed, type Instant } from "../machine/clock.ts";

/** Milliseconds after which an endpoint that has refused everything is left for another one. */
const REFUSED_MS = 2000;

/** Selects the next endpoint: the one with the fewest failures since its last answer. */
export class Endpoints {
  readonly #urls: readonly string[];
  readonly #failures = new Map<string, number>();
  /** Since when each endpoint has refused everything. */
  readonly #refusing = new Map<string, Instant>();
  /** Those that this process may never use, as it found out. */
  readonly #hopeless = new Set<string>();

  constructor(urls: readonly string[]) {
    this.#urls = urls;
  }

  /** The first endpoint to try. */
  get first(): string {
    return this.#urls[0]!;
  }

  answered(url: string): void {
    this.#failures.delete(url);
    this.#refusing.delete(url);
    this.#hopeless.delete(url);
  }

  /** Records that this process may never use an endpoint. Whether that is so of all. */
  hopeless(url: string): boolean {
    this.#hopeless.add(url);
    return this.#urls.every((url) => this.#hopeless.has(url));
  }

  /** Records a refusal. Whether to leave the endpoint: it has refused everything for a while, and there are others. */
  refused(url: string, now: Instant): boolean {
    const since = this.#refusing.get(url) ?? now;
    this.#refusing.set(url, since);
    return this.#urls.length > 1 && elapsed(since, now) >= REFUSED_MS;
  }

  /** The endpoint to try after `url` failed; among equals, the next in the list. */
  failed(url: string): string {
    this.#refusing.delete(url);
    this.#failures.set(url, this.#failuresOf(url) + 1);
    const from = this.#urls.indexOf(url) + 1;
    const others = [...this.#urls.slice(from), ...this.#urls.slice(0, from)];
    return others.reduce((best, next) => this.#failuresOf(next) < this.#failuresOf(best) ? next : best);
  }

  #failuresOf(url: string): number {
    return this.#failures.get(url) ?? 0;
  }
}

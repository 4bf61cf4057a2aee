import { elapsed, type Instant } from "./machine/clock.ts";
import type { Term } from "./term.ts";

/** Tells, once of each term, that its work still runs though the lease may have expired. */
export class Overrun {
  readonly #stopBudgetMs: number;
  readonly #report: (term: Term) => void;
  /** When each term that has work was first seen to have ended, or that it was told of. */
  #ended = new Map<Term, Instant | "told">();

  constructor(stopBudgetMs: number, report: (term: Term) => void) {
    this.#stopBudgetMs = stopBudgetMs;
    this.#report = report;
  }

  /** Looks at the terms that have work. Work whose key was lost without warning has the stop budget to end, too. */
  check(working: readonly Term[], now: () => Instant): void {
    const before = this.#ended;
    if (working.length === 0 && before.size === 0) return;
    this.#ended = new Map();
    for (const term of working) {
      if (!term.signal.aborted || this.#ended.has(term)) continue;
      const since = before.get(term) ?? now();
      const late = since !== "told" && term.stopWithin() <= 0 && elapsed(since, now()) >= this.#stopBudgetMs;
      this.#ended.set(term, late ? "told" : since);
      if (late) this.#report(term);
    }
  }
}

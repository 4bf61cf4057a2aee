import type { TestNode } from "../support/node.ts";
import { within } from "../support/until.ts";

/** What a node said, and between which moments of this machine's one monotonic clock it did. */
interface Answer {
  readonly leads: boolean;
  readonly token: number | null;
  readonly leader: string | null;
  readonly askedAt: number;
  readonly toldAt: number;
}

const PAUSE_MS = 5;

/**
 * Asks all nodes, over and over, who leads, and holds their answers against each other: once anybody has
 * said that it leads with a token, nobody may ever say so with a smaller one.
 */
export class Referee implements AsyncDisposable {
  /** What must not be, and was. */
  readonly violations: string[] = [];
  /** How many answers said "leader". */
  claims = 0;
  readonly #last = new Map<TestNode, Answer>();
  readonly #thawedAt = new Map<TestNode, number>();
  /** The first claim of each token: who made it, and when it was heard. */
  readonly #terms = new Map<number, { readonly node: TestNode; readonly toldAt: number }>();
  readonly #heard = new EventTarget();
  readonly #asking = new Map<TestNode, Promise<void>>();
  #lastClaimAt = performance.now();
  #gapMs = 0;
  #closed = false;

  /** Begins to ask a node. */
  watch(node: TestNode): void {
    this.#asking.set(node, this.#ask(node));
  }

  /** No more answers are expected from a node: it has ended. */
  forget(node: TestNode): void {
    this.#last.delete(node);
    this.#asking.delete(node);
  }

  /** A node goes on: what it says from now on it says now, however long ago it was asked. */
  thawed(node: TestNode): void {
    this.#thawedAt.set(node, performance.now());
  }

  /** The longest time without a claim since this was last asked. */
  takeGapMs(): number {
    const gap = this.#gapMs;
    this.#gapMs = 0;
    return gap;
  }

  /** Resolves with the leader when all nodes agree on it, by answers to questions that are asked from now on. */
  async agreed(ms: number): Promise<TestNode> {
    const from = performance.now();
    const found = Promise.withResolvers<TestNode>();
    const check = () => {
      const answers = [...this.#asking.keys()].map((node) => [node, this.#last.get(node)] as const);
      if (answers.some(([, answer]) => !answer || answer.askedAt < from)) return;
      const leaders = answers.filter(([, answer]) => answer!.leads);
      const tokens = new Set(answers.map(([, answer]) => answer!.token));
      if (leaders.length === 1 && tokens.size === 1) found.resolve(leaders[0]![0]);
    };
    this.#heard.addEventListener("answer", check);
    try {
      const said = () => JSON.stringify([...this.#last.values()]);
      return await within(ms, "all nodes to agree on a leader", found.promise).catch((error) => {
        throw new Error(`${error.message}; they said ${said()}`);
      });
    } finally {
      this.#heard.removeEventListener("answer", check);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#asking.values());
  }

  async #ask(node: TestNode): Promise<void> {
    using client = Deno.createHttpClient({});
    while (!this.#closed && this.#asking.get(node) !== undefined || !this.#asking.has(node)) {
      const askedAt = performance.now();
      try {
        const response = await fetch(`http://127.0.0.1:${node.port}/status`, { client });
        const { is_leader: leads, token, leader } = await response.json();
        this.#hear(node, { leads, token, leader, askedAt, toldAt: performance.now() });
      } catch {
        // Killed, or on its way out.
        if (this.#asking.get(node) === undefined) return;
      }
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      if (this.#closed || !this.#asking.has(node)) return;
    }
  }

  #hear(node: TestNode, answer: Answer): void {
    this.#last.set(node, answer);
    if (answer.leads) this.#judge(node, answer);
    this.#heard.dispatchEvent(new Event("answer"));
  }

  #judge(node: TestNode, { token, askedAt, toldAt }: Answer): void {
    this.claims++;
    const saidAt = Math.max(askedAt, this.#thawedAt.get(node) ?? 0);
    for (const [other, term] of this.#terms) {
      if (other === token && term.node !== node) {
        this.violations.push(`ports ${node.port} and ${term.node.port} both lead with token ${token}`);
      }
      if (other > token! && term.toldAt < saidAt) {
        const late = (saidAt - term.toldAt).toFixed(1);
        this.violations.push(
          `port ${node.port} leads with token ${token}, ${late} ms after port ${term.node.port} did with ${other}`,
        );
      }
    }
    if (!this.#terms.has(token!)) this.#terms.set(token!, { node, toldAt });
    this.#gapMs = Math.max(this.#gapMs, toldAt - this.#lastClaimAt);
    this.#lastClaimAt = toldAt;
  }
}

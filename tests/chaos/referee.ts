import { within } from "../support/until.ts";

/** What a node said, and between which moments of this machine's one monotonic clock it did. */
interface LeaderAnswer {
  readonly leads: boolean;
  readonly token: number | null;
  readonly leader: string | null;
  /** The node's lease, whether it leads or not. */
  readonly lease: string | undefined;
  readonly askedAt: number;
  readonly toldAt: number;
}

/** A node, as far as it can be asked. */
interface Asked {
  readonly port: number;
}

/**
 * Asks all nodes, over and over, who leads, and holds their answers against each other: once anybody has
 * said that it leads with a token, nobody may ever say so with a smaller one, as long as etcd keeps its data.
 */
export class Referee<Node extends Asked> implements AsyncDisposable {
  /** What must not be, and was. */
  readonly violations: string[] = [];
  /** How many answers said "leader". */
  claims = 0;
  /** How many answers said "leader" after the key of that term was taken away and another node led, but soon enough. */
  excused = 0;
  /** How long each node is left alone after it has answered. */
  pauseMs = 5;
  readonly #last = new Map<Node, LeaderAnswer>();
  readonly #frozen = new Map<Node, { readonly from: number; to: number }>();
  /** The first claim of each token: who made it, and when it was heard. */
  readonly #terms = new Map<number, { readonly node: Node; readonly toldAt: number }>();
  /** When the leases end that were granted before etcd lost its data; all others that were heard of are not there. */
  readonly #formerLeases = new Map<string, number>();
  readonly #leases = new Set<string>();
  /** For how long two may lead if etcd takes a leader's key away. */
  #excusedMs = 0;
  readonly #heard = new EventTarget();
  readonly #watched = new Set<Node>();
  readonly #asking: Promise<void>[] = [];
  readonly #closing = new AbortController();
  #lastClaimAt = performance.now();
  #gapMs = 0;

  /** Begins to ask a node. */
  watch(node: Node): void {
    this.#watched.add(node);
    this.#asking.push(this.#ask(node));
  }

  /** No more answers are expected from a node: it has ended. */
  forget(node: Node): void {
    this.#last.delete(node);
    this.#watched.delete(node);
  }

  /** A node stands still from now on. */
  froze(node: Node, from = performance.now()): void {
    this.#frozen.set(node, { from, to: from });
  }

  /** It goes on at a moment: what it was asked since it froze it answers after that, however long ago it was asked. */
  thawed(node: Node, at = performance.now()): void {
    this.#frozen.get(node)!.to = at;
  }

  /**
   * etcd has lost its data: tokens begin anew. Nodes cannot know that before they hear from etcd again, so they may lead
   * for as long as their leases would have lasted, even beside a new leader, and no longer.
   */
  lostData(ttlMs: number): void {
    const end = performance.now() + ttlMs;
    for (const lease of this.#leases) this.#formerLeases.set(lease, end);
    this.#leases.clear();
    this.#terms.clear();
  }

  /** From now on, etcd may take keys away whose leases are renewed; then two may lead for so long. */
  keysMayBeTaken(excusedMs: number): void {
    this.#excusedMs = excusedMs;
  }

  /** The longest time without a claim since this was last asked. */
  takeGapMs(): number {
    const gap = this.#gapMs;
    this.#gapMs = 0;
    return gap;
  }

  /** Resolves with the leader when all nodes agree on it, by answers to questions that are asked from now on. */
  agreed(ms: number): Promise<Node> {
    const from = performance.now();
    return this.#hears(ms, "all nodes to agree on a leader", () => {
      const answers = [...this.#watched].map((node) => [node, this.#last.get(node)] as const);
      if (answers.some(([, answer]) => !answer || answer.askedAt < from)) return undefined;
      const leaders = answers.filter(([, answer]) => answer!.leads);
      const tokens = new Set(answers.map(([, answer]) => answer!.token));
      const former = leaders.some(([, { lease } = {}]) => this.#formerLeases.has(lease!));
      return leaders.length === 1 && tokens.size === 1 && !former ? leaders[0]![0] : undefined;
    });
  }

  /** Resolves when another node than `former` says that it leads. */
  async succeeded(former: Node, ms: number): Promise<void> {
    await this.#hears(ms, "another node to lead", () => {
      return [...this.#last].some(([node, { leads }]) => leads && node !== former) || undefined;
    });
  }

  /** What `look` finds, looking again at each answer. */
  async #hears<T>(ms: number, what: string, look: () => T | undefined): Promise<T> {
    const found = Promise.withResolvers<T>();
    const check = () => {
      const seen = look();
      if (seen !== undefined) found.resolve(seen);
    };
    this.#heard.addEventListener("answer", check);
    try {
      return await within(ms, what, found.promise);
    } catch (error) {
      throw new Error(`${error}; the last answers were ${JSON.stringify([...this.#last.values()])}`);
    } finally {
      this.#heard.removeEventListener("answer", check);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    await Promise.all(this.#asking);
  }

  async #ask(node: Node): Promise<void> {
    using client = Deno.createHttpClient({});
    const { signal } = this.#closing;
    while (this.#watched.has(node) && !signal.aborted) {
      const askedAt = performance.now();
      try {
        const response = await fetch(`http://127.0.0.1:${node.port}/status`, { client, signal });
        const { is_leader: leads, token, leader, lease } = await response.json();
        this.#hear(node, { leads, token, leader, lease: lease?.id, askedAt, toldAt: performance.now() });
      } catch {
        // It was killed, or all is over.
      }
      await new Promise((resolve) => setTimeout(resolve, this.pauseMs));
    }
  }

  #hear(node: Node, answer: LeaderAnswer): void {
    if (!this.#watched.has(node)) return;
    this.#last.set(node, answer);
    const { lease } = answer;
    if (lease !== undefined && !this.#formerLeases.has(lease)) this.#leases.add(lease);
    if (answer.leads) this.#judge(node, answer);
    this.#heard.dispatchEvent(new Event("answer"));
  }

  #judge(node: Node, { token, lease, askedAt, toldAt }: LeaderAnswer): void {
    this.claims++;
    // What it was asked before, it may have said before, though it was not heard until it went on.
    const { from, to } = this.#frozen.get(node) ?? { from: 0, to: 0 };
    const saidAt = askedAt > from ? Math.max(askedAt, to) : askedAt;
    const end = this.#formerLeases.get(lease!);
    if (end !== undefined) {
      if (saidAt > end) {
        this.violations.push(`port ${node.port} leads by a lease that etcd has forgotten, after its end`);
      }
      return;
    }
    for (const [other, term] of this.#terms) {
      if (other === token && term.node !== node) {
        this.violations.push(`ports ${node.port} and ${term.node.port} both lead with token ${token}`);
      }
      if (other > token! && term.toldAt < saidAt) {
        const lateMs = saidAt - term.toldAt;
        if (lateMs <= this.#excusedMs) this.excused++;
        else {
          this.violations.push(
            `port ${node.port} leads with token ${token}, ${
              lateMs.toFixed(1)
            } ms after port ${term.node.port} did with ${other}`,
          );
        }
      }
    }
    if (!this.#terms.has(token!)) this.#terms.set(token!, { node, toldAt });
    this.#gapMs = Math.max(this.#gapMs, toldAt - this.#lastClaimAt);
    this.#lastClaimAt = toldAt;
  }
}

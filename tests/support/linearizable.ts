/**
 * Whether what processes saw of a shared object can be explained by operations that happened one after another, each at
 * some moment between its invocation and its return (Herlihy & Wing, "Linearizability", 1990).
 *
 * To search for such an order (Wing & Gong, "Testing and Verifying Concurrent Objects", 1993; Lowe, "Testing for
 * linearizability", 2017) takes exponential time at worst. Here each write says which value it follows, and no value is
 * written twice, so that the order of the writes is known and the check takes little more than linear time (Gibbons &
 * Korach, "Testing Shared Memories", 1997).
 */

/** An operation, between two moments of one clock. */
export type Operation =
  & {
    readonly invokedAt: number;
    /** Infinity if nobody knows: a write may then have happened at any time since its invocation, or not at all. */
    readonly returnedAt: number;
  }
  & (Write | Read);

/** `value` takes the place of `after` in a register, or is appended to it in a list. */
export interface Write {
  readonly type: "write";
  readonly value: string;
  readonly after: string;
}

/** All values of a list, or the last one written to a register; none before the first write. */
export interface Read {
  readonly type: "read";
  readonly values: readonly string[];
}

/** What the first write follows. */
export const START = "";

/** Why a history is not linearizable; undefined if it is. */
export function whyNotLinearizable(kind: "register" | "list", history: readonly Operation[]): string | undefined {
  const known = history.filter(({ returnedAt }) => returnedAt < Infinity);
  const after = new Map<string, string>();
  for (const { value, after: before } of history.filter((operation) => operation.type === "write")) {
    if (after.has(value)) throw new Error(`"${value}" is written twice`);
    after.set(value, before);
  }

  const next = new Map<string, string>();
  for (const operation of known) {
    for (let value = last(operation); value !== START;) {
      const before = after.get(value);
      if (before === undefined) return `"${value}" is there and nobody wrote it`;
      const rival = next.get(before);
      if (rival === value) break;
      if (rival !== undefined) return `"${rival}" and "${value}" both follow "${before}"`;
      next.set(before, value);
      value = before;
    }
  }

  const order: string[] = [];
  for (let value = next.get(START); value !== undefined; value = next.get(value)) order.push(value);
  if (order.length < next.size) return "writes follow each other in a circle";

  const places = new Map([START, ...order].map((value, place) => [value, place]));
  const steps = history
    .filter((operation) => operation.returnedAt < Infinity || operation.type === "write" && places.has(operation.value))
    .map((operation) => ({ ...operation, place: places.get(last(operation))! }))
    .sort((a, b) => a.place - b.place || b.type.localeCompare(a.type) || a.invokedAt - b.invokedAt);
  // The latest invocation so far: what follows cannot have happened before it.
  let latest = { what: "nothing", invokedAt: -Infinity };
  for (const { place, ...operation } of steps) {
    const what = `the ${operation.type} of "${last(operation)}"`;
    if (operation.invokedAt > latest.invokedAt) latest = { what, invokedAt: operation.invokedAt };
    if (latest.invokedAt > operation.returnedAt) {
      return `${what} returned before ${latest.what} was invoked, and follows it`;
    }
    if (operation.type === "write") continue;
    const expected = order.slice(kind === "list" ? 0 : Math.max(0, place - 1), place);
    if (operation.values.join() !== expected.join()) return `${what} found other values before it`;
  }
}

/** The last value that is there when the operation has happened. */
function last(operation: Write | Read): string {
  return operation.type === "write" ? operation.value : operation.values.at(-1) ?? START;
}

import type { ElectionView, RoleState } from "../../election/mod.ts";

/** How many times as long as it should something may take on a machine that is busy with other tests. */
const PATIENCE = 3;

/** Fails, saying what was waited for, if `promise` takes much longer than `ms`: for what could hang. */
export function within<T>(ms: number, what: string | (() => string), promise: Promise<T>): Promise<T> {
  return promptly(PATIENCE * ms, what, promise);
}

/** How often a deadline is looked at. */
const TICK_MS = 50;

/**
 * Fails, saying what was waited for, if `promise` takes longer than `ms`: for what is to be fast. Time counts by ticks
 * of this process, so that others get more of it too on a machine that lets it wait for its turn.
 */
export async function promptly<T>(ms: number, what: string | (() => string), promise: Promise<T>): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const why = () => new Error(`Waited ${ms} ms in vain: ${typeof what === "string" ? what : what()}`);
  let timer: ReturnType<typeof setTimeout>;
  const wait = (left: number) => {
    if (left <= 0) return reject(why());
    const step = Math.min(left, TICK_MS);
    timer = setTimeout(() => wait(left - step), step);
  };
  wait(ms);
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer!);
  }
}

/** The first state of an election that is as wanted. */
export async function until<S extends RoleState>(
  election: ElectionView,
  what: string,
  wanted: (state: RoleState) => state is S,
  ms?: number,
): Promise<S>;
export async function until(
  election: ElectionView,
  what: string,
  wanted: (state: RoleState) => boolean,
  ms?: number,
): Promise<RoleState>;
export async function until(
  election: ElectionView,
  what: string,
  wanted: (state: RoleState) => boolean,
  ms = 10_000,
): Promise<RoleState> {
  const iterator = election[Symbol.asyncIterator]();
  const search = async () => {
    for (let next = await iterator.next(); !next.done; next = await iterator.next()) {
      if (wanted(next.value)) return next.value;
    }
    throw new Error(`The election ended before: ${what}`);
  };
  try {
    return await within(ms, what, search());
  } finally {
    await iterator.return?.();
  }
}

export function isLeader(state: RoleState): state is RoleState & { role: "leader" } {
  return state.role === "leader";
}

/** The state in which the election's node leads. */
export function leads(election: ElectionView, ms?: number): Promise<RoleState & { role: "leader" }> {
  return until(election, "to lead", isLeader, ms);
}

/** The state in which the election's node follows `id`. */
export function follows(election: ElectionView, id: string, ms?: number): Promise<RoleState> {
  return until(election, `to follow ${id}`, (state) => state.role === "follower" && state.leader?.id === id, ms);
}

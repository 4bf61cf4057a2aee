import type { ElectionView, RoleState } from "../../election/mod.ts";

/** Fails, saying what was waited for, if `promise` takes longer than `ms`. */
export async function within<T>(ms: number, what: string | (() => string), promise: Promise<T>): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const why = () => new Error(`Waited ${ms} ms in vain: ${typeof what === "string" ? what : what()}`);
  const timer = setTimeout(() => reject(why()), ms);
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
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

/** grpc-js keeps a timer for some milliseconds after a refused connection; nothing tells when it is done. */
export function grpcSettles(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 300));
}

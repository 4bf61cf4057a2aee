/** What the writers write, each fenced or, to show what fences are for, not. */
export const OBJECTS = [
  { store: "etcd", kind: "register", fenced: true },
  { store: "etcd", kind: "list", fenced: true },
  { store: "etcd", kind: "register", fenced: false },
  { store: "sqlite", kind: "register", fenced: true },
  { store: "sqlite", kind: "list", fenced: true },
  { store: "sqlite", kind: "register", fenced: false },
] as const;

export type SharedObject = typeof OBJECTS[number];

export function nameOf({ store, kind, fenced }: SharedObject): string {
  return `${fenced ? "fenced" : "unfenced"} ${kind} in ${store}`;
}

/** What a writer tells, a line of JSON each; times are microseconds of the machine's monotonic clock. */
export type Told =
  | { type: "invoked"; object: string; value: string; after: string; at: number; key: string; token: number }
  | { type: "done" | "refused"; object: string; value: string; at: number }
  | { type: "read"; object: string; values: string[]; invokedAt: number; returnedAt: number };

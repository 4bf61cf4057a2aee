import { keyBytes } from "../election/internal.ts";
import type { Candidate } from "../election/mod.ts";

/** What is wrong with a key that has no lease, and how to delete it; undefined for other keys. */
export function leftoverProblem({ key, leaseless }: Candidate): string | undefined {
  return leaseless && `no lease: this key never expires; delete it with: etcdctl del ${shellWord(key)}`;
}

/** The key as one word of a shell; control characters, and bytes that are no ASCII, as bash's `$'…'` has them. */
function shellWord(key: string): string {
  const dashes = key.startsWith("-") ? "-- " : "";
  if (/^[\w./:@%+=,-]+$/.test(key)) return dashes + key;
  if (/^[\x20-\x7e]*$/.test(key)) return `${dashes}'${key.replaceAll("'", `'\\''`)}'`;
  // A key that is not UTF-8 is named byte by byte.
  const bytes = key.startsWith("\uFFFD") ? Uint8Array.from(key.slice(1), (one) => one.charCodeAt(0)) : keyBytes(key);
  const escaped = Array.from(bytes, (byte) => {
    const character = String.fromCharCode(byte);
    if (byte < 0x20 || byte > 0x7e) return `\\x${byte.toString(16).padStart(2, "0")}`;
    return character === "'" || character === "\\" ? `\\${character}` : character;
  });
  return `${dashes}$'${escaped.join("")}'`;
}

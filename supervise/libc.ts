import { PLATFORM, type Platform } from "./platform.ts";

/** The calls of the C library that Deno does not offer itself. */
const CALLS = {
  prctl: { parameters: ["i32", "usize", "usize", "usize", "usize"], result: "i32" },
  waitid: { parameters: ["i32", "i32", "buffer", "i32"], result: "i32" },
  waitpid: { parameters: ["i32", "buffer", "i32"], result: "i32" },
  pipe2: { parameters: ["buffer", "i32"], result: "i32" },
  fcntl: { parameters: ["i32", "i32", "i32"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
  getxattr: { parameters: ["buffer", "buffer", "buffer", "usize"], result: "isize" },
} as const satisfies Deno.ForeignLibraryInterface;

export type Libc = Deno.DynamicLibrary<typeof CALLS>["symbols"];

const PR_SET_CHILD_SUBREAPER = 36;

/** The C library's file, by system; musl's has a name of its own. */
const FILES: Partial<Record<typeof Deno.build.os, readonly string[]>> = {
  linux: ["libc.so.6", `libc.musl-${Deno.build.arch}.so.1`],
  darwin: ["libSystem.B.dylib"],
};

/** Some calls of the C library, or why they cannot be made. */
type Opened<Symbols> = { readonly libc: Symbols } | { readonly reason: string };

let loaded: Opened<Libc> | undefined;

/** The C library, or why it cannot be used: the numbers that calls take are those of Linux. It is loaded once. */
export function loadLibc({ os, isLinux }: Platform = PLATFORM): Opened<Libc> {
  if (!isLinux) return { reason: `not available on ${os}` };
  return loaded ??= openLibc(CALLS);
}

/** These calls of this system's C library. */
export function openLibc<const Calls extends Deno.ForeignLibraryInterface>(
  calls: Calls,
): Opened<Deno.DynamicLibrary<Calls>["symbols"]> {
  // Without this check, Deno would ask the user on a terminal.
  if (Deno.permissions.querySync({ name: "ffi" }).state !== "granted") return { reason: "no permission for FFI" };
  let reason = "";
  for (const name of FILES[Deno.build.os] ?? []) {
    try {
      return { libc: Deno.dlopen(name, calls).symbols };
    } catch (error) {
      reason ||= (error as Error).message;
    }
  }
  return { reason };
}

/**
 * Makes this process the one that adopts the orphans among its descendants, so that none of them gets out of its
 * sight. Gives the reason if that is not possible.
 */
export function becomeSubreaper(
  platform?: Platform,
): { readonly ok: true } | { readonly ok: false; readonly reason: string } {
  const library = loadLibc(platform);
  if ("reason" in library) return { ok: false, reason: library.reason };
  // An emulated kernel may not know it.
  if (library.libc.prctl(PR_SET_CHILD_SUBREAPER, 1n, 0n, 0n, 0n) !== 0) return { ok: false, reason: "prctl failed" };
  return { ok: true };
}

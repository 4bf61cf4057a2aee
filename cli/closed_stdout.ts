/** The C library, by system; musl's has a name of its own. */
const LIBRARIES: Partial<Record<typeof Deno.build.os, readonly string[]>> = {
  linux: ["libc.so.6", `libc.musl-${Deno.build.arch}.so.1`],
  darwin: ["libSystem.B.dylib"],
};
const CALLS = { poll: { parameters: ["buffer", "usize", "i32"], result: "i32" } } as const;
const [POLLOUT, POLLERR, POLLHUP] = [4, 8, 16];
const STDOUT = 1;
const LOOK_EVERY_MS = 200;

/**
 * Calls `closed` when nobody reads stdout any more: without it, whoever writes seldom notices that late. Where the
 * system cannot be asked, it never does. Disposing ends it.
 */
export function onStdoutClosed(closed: () => void): Disposable {
  const poll = loadPoll();
  const timer = poll && setInterval(() => {
    // struct pollfd: the descriptor, the events that are asked for, those that are there.
    const asked = Int16Array.of(STDOUT, 0, POLLOUT, 0);
    if (poll(asked, 1n, 0) === 1 && (asked[3]! & (POLLERR | POLLHUP)) !== 0) closed();
  }, LOOK_EVERY_MS);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

function loadPoll() {
  // Without this check, Deno would ask the user on a terminal.
  if (Deno.permissions.querySync({ name: "ffi" }).state !== "granted") return undefined;
  for (const name of LIBRARIES[Deno.build.os] ?? []) {
    try {
      return Deno.dlopen(name, CALLS).symbols.poll;
    } catch {
      // It has another name.
    }
  }
}

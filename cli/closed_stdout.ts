import { openLibc } from "../supervise/libc.ts";

const CALLS = { poll: { parameters: ["buffer", "usize", "i32"], result: "i32" } } as const;
const [POLLOUT, POLLERR, POLLHUP] = [4, 8, 16];
const STDOUT = 1;
const LOOK_EVERY_MS = 200;

/**
 * Calls `closed` when nobody reads stdout any more; a program that seldom writes would notice it much later. Where the
 * system cannot be asked, `closed` is never called. Disposing ends it.
 */
export function onStdoutClosed(closed: () => void): Disposable {
  const opened = openLibc(CALLS);
  if ("reason" in opened) return { [Symbol.dispose]: () => {} };
  const timer = setInterval(() => {
    // struct pollfd: the descriptor, the events that are asked for, those that are there.
    const asked = Int16Array.of(STDOUT, 0, POLLOUT, 0);
    if (opened.libc.poll(asked, 1n, 0) === 1 && (asked[3]! & (POLLERR | POLLHUP)) !== 0) closed();
  }, LOOK_EVERY_MS);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

/** Signals that mean to stop, as far as the system has them, with their numbers. */
const STOP_SIGNALS: Readonly<Partial<Record<Deno.Signal, number>>> = Deno.build.os === "windows"
  ? { SIGINT: 2, SIGBREAK: 15 }
  : { SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGTERM: 15 };

/** Signals that come so soon after the first mean the same: `deno task` passes on what the terminal sends as well. */
const SAME_MS = 500;

/**
 * Calls `first` on the first stop signal. On a later one, calls `beforeExit` and exits at once with the exit code that
 * shells give, 128 plus the number of the signal.
 */
export function onStopSignal(first: (signal: Deno.Signal) => void, beforeExit: () => void | Promise<void>): void {
  // nohup asks for that. It must be read before any listener is added: the runtime resets it then.
  const hangUpIgnored = isIgnored(readStatus(), 1);
  let firstAt: number | undefined;
  let dying = false;
  for (const [name, number] of Object.entries(STOP_SIGNALS)) {
    const signal = name as Deno.Signal;
    Deno.addSignalListener(signal, () => {
      if (signal === "SIGHUP" && hangUpIgnored) return;
      const now = performance.now();
      if (firstAt === undefined) {
        firstAt = now;
        first(signal);
      } else if (now - firstAt > SAME_MS && !dying) {
        dying = true;
        Promise.resolve(beforeExit()).finally(() => Deno.exit(128 + number));
      }
    });
  }
  // Its default would end the process.
  if (Deno.build.os !== "windows") Deno.addSignalListener("SIGUSR2", () => {});
}

/** Whether a process ignores a signal, by its /proc/PID/status. */
export function isIgnored(status: string, number: number): boolean {
  const mask = /^SigIgn:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? "0";
  return (BigInt(`0x${mask}`) >> BigInt(number - 1) & 1n) === 1n;
}

/** Deno lets only those read it who may do everything. */
function readStatus(): string {
  // Without this check, it would ask the user on a terminal.
  if (!isGranted("read") || !isGranted("write")) return "";
  try {
    return Deno.readTextFileSync("/proc/self/status");
  } catch {
    return "";
  }
}

function isGranted(name: "read" | "write"): boolean {
  return Deno.permissions.querySync({ name }).state === "granted";
}

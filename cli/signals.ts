/** Signals that mean to stop, as far as the system has them, with their numbers. */
export function stopSignals(os: typeof Deno.build.os): Readonly<Partial<Record<Deno.Signal, number>>> {
  // On Windows, SIGHUP is the console that is closed, and SIGTERM the end of the session or the machine.
  return os === "windows"
    ? { SIGHUP: 1, SIGINT: 2, SIGTERM: 15, SIGBREAK: 21 }
    : { SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGTERM: 15 };
}

/** Signals that come so soon after the first mean the same: `deno task` passes on what the terminal sends as well. */
const SAME_MS = 500;

/** What a process does at a stop signal. */
export type SignalOrder = "stop" | "exit" | "ignore";

/** What has been ordered before: when the first stop signal came, and whether another one ends the process already. */
export interface Signalled {
  readonly firstAt?: number;
  readonly exiting?: boolean;
}

/** What a stop signal means that comes now. */
export function stopSignal({ firstAt, exiting }: Signalled, now: number): { order: SignalOrder; next: Signalled } {
  if (firstAt === undefined) return { order: "stop", next: { firstAt: now } };
  const same = exiting || now - firstAt <= SAME_MS;
  return same ? { order: "ignore", next: { firstAt, exiting } } : { order: "exit", next: { firstAt, exiting: true } };
}

/**
 * Calls `first` on the first stop signal. On a later one, calls `beforeExit` and exits at once with the exit code that
 * shells give, 128 plus the number of the signal.
 */
export function onStopSignal(first: (signal: Deno.Signal) => void, beforeExit: () => void | Promise<void>): void {
  // nohup asks for that. It must be read before any listener is added: the runtime resets it then.
  const hangUpIgnored = isIgnored(readStatus(), 1);
  let signalled: Signalled = {};
  for (const [name, number] of Object.entries(stopSignals(Deno.build.os))) {
    const signal = name as Deno.Signal;
    Deno.addSignalListener(signal, () => {
      if (signal === "SIGHUP" && hangUpIgnored) return;
      const { order, next } = stopSignal(signalled, performance.now());
      signalled = next;
      if (order === "stop") first(signal);
      if (order === "exit") Promise.resolve(beforeExit()).finally(() => Deno.exit(128 + number));
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

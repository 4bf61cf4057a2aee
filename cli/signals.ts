/**
 * Calls `first` on the first stop signal. On a second one, calls `beforeExit` and exits at once with the exit code that
 * shells give, 128 plus the number of the signal.
 */
export function onStopSignal(first: (signal: Deno.Signal) => void, beforeExit: () => void): void {
  const numbers = { SIGINT: 2, [Deno.build.os === "windows" ? "SIGBREAK" : "SIGTERM"]: 15 };
  let signalled = false;
  for (const [name, number] of Object.entries(numbers)) {
    const signal = name as Deno.Signal;
    Deno.addSignalListener(signal, () => {
      if (signalled) {
        beforeExit();
        Deno.exit(128 + number);
      }
      signalled = true;
      first(signal);
    });
  }
}

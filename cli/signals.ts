/**
 * Tells of the first signal to stop. A second one ends the process at once, after `lastBreath`, with the
 * exit code that shells give.
 */
export function onStopSignal(first: (signal: Deno.Signal) => void, lastBreath: () => void): void {
  const numbers = { SIGINT: 2, [Deno.build.os === "windows" ? "SIGBREAK" : "SIGTERM"]: 15 };
  let signalled = false;
  for (const [name, number] of Object.entries(numbers)) {
    const signal = name as Deno.Signal;
    Deno.addSignalListener(signal, () => {
      if (signalled) {
        lastBreath();
        Deno.exit(128 + number);
      }
      signalled = true;
      first(signal);
    });
  }
}

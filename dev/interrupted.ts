import { stopSignals } from "../cli/signals.ts";

/** Resolves at the first Ctrl+C, SIGTERM or loss of the terminal; later ones are swallowed, so that cleaning up ends. */
export function interrupted(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  for (const signal of Object.keys(stopSignals(Deno.build.os))) {
    // Ctrl+\ ends at once.
    if (signal !== "SIGQUIT") Deno.addSignalListener(signal as Deno.Signal, () => resolve());
  }
  return promise;
}

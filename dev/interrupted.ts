/** Resolves at the first Ctrl+C, SIGTERM or loss of the terminal; later ones are swallowed, so that cleaning up ends. */
export function interrupted(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const signals: Deno.Signal[] = Deno.build.os === "windows" ? ["SIGINT"] : ["SIGINT", "SIGTERM", "SIGHUP"];
  for (const signal of signals) Deno.addSignalListener(signal, () => resolve());
  return promise;
}

/** Preloaded into a node: at SIGUSR2, its own code blocks the event loop for as long as `BLOCK_MS` says. */
Deno.addSignalListener("SIGUSR2", () => {
  const until = performance.now() + Number(Deno.env.get("BLOCK_MS"));
  while (performance.now() < until);
});

/** Preloaded into a node: faults of its own machine and code, at a signal. */

/** At SIGUSR2 the event loop is blocked for as long as `BLOCK_MS` says. */
Deno.addSignalListener("SIGUSR2", () => {
  const until = performance.now() + Number(Deno.env.get("BLOCK_MS"));
  while (performance.now() < until);
});

/** At SIGUSR1 somebody sets the wall clock by `CLOCK_STEP_MS`, and back at the next one. */
let offset = 0;
Deno.addSignalListener("SIGUSR1", () => offset = offset === 0 ? Number(Deno.env.get("CLOCK_STEP_MS")) : 0);

const TrueDate = Date;
globalThis.Date = class extends TrueDate {
  constructor(given: number = TrueDate.now() + offset) {
    super(given);
  }
  static override now(): number {
    return TrueDate.now() + offset;
  }
} as DateConstructor;

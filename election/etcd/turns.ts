/** How many turns the event loop has at least to read an answer. */
const TURNS = 10;

type Timer = ReturnType<typeof setTimeout>;

/**
 * Calls `late` after `ms`, unless the function that it gives is called before. Answers that came in time may be read
 * late by a loop that is busy: the time by which it is late does not count, for as long again, and not before the loop
 * has had another turn. `armed` is told each timer, for those that clear it themselves.
 */
export function whenLate(ms: number, late: () => void, armed: (timer: Timer) => void = () => {}): () => void {
  const until = performance.now() + 2 * ms;
  let left = TURNS;
  let timer: Timer;
  const wait = () => {
    timer = setTimeout(() => {
      left--;
      if (left === 0) return late();
      if (performance.now() >= until) left = 1;
      wait();
    }, Math.max(0, ms / TURNS));
    armed(timer);
  };
  wait();
  return () => clearTimeout(timer);
}

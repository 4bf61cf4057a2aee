/**
 * Calls a function of the user. What it throws, or rejects with, is written to the console: a faulty log function must
 * not end the process that leads, as an error that nobody catches would.
 */
export function callSafely<A extends unknown[]>(name: string, call: (...args: A) => unknown, ...args: A): void {
  const report = (error: unknown) => console.error(`leader-node: ${name} has failed:`, error);
  try {
    const result = call(...args);
    if (result instanceof Promise) result.catch(report);
  } catch (error) {
    report(error);
  }
}

/** How long a fault lasts is part of it: these are no waits for something that could be awaited. */
export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

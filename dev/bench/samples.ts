/** What was measured, once a round. */
export type Samples = readonly number[];

/** The value that so large a share of the samples does not exceed. */
export function quantile(samples: Samples, share: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!;
}

/** A row of a table: median, 95th percentile, and the ratio of the medians. */
export function row(name: string, samples: Samples, least?: Samples): string {
  const [median, p95] = [quantile(samples, 0.5), quantile(samples, 0.95)];
  const ratio = least ? (median / quantile(least, 0.5)).toFixed(1) : "";
  return `| ${name} | ${median.toFixed(1)} | ${samples.length > 1 ? p95.toFixed(1) : ""} | ${ratio} |`;
}

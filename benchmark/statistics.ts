// Statistics: the median and the quartiles of some rounds.

/** The summary of some measurements. */
export interface Summary {
  readonly median: number;
  /** The quartiles: half of the rounds lie between them. */
  readonly low: number;
  readonly high: number;
  /** The number of measurements. */
  readonly count: number;
}

/** Summarises measurements; returns undefined without any. */
export function summarise(values: readonly number[]): Summary | undefined {
  if (values.length === 0) return undefined;
  const sorted = values.toSorted((a, b) => a - b);
  return {
    median: quantile(sorted, 0.5),
    low: quantile(sorted, 0.25),
    high: quantile(sorted, 0.75),
    count: sorted.length,
  };
}

/** Returns a quantile of ascending values, with linear interpolation (type 7 of Hyndman and Fan). */
export function quantile(sorted: readonly number[], q: number): number {
  const position = (sorted.length - 1) * q;
  const below = sorted[Math.floor(position)] ?? Number.NaN;
  const above = sorted[Math.ceil(position)] ?? Number.NaN;
  return below + (above - below) * (position - Math.floor(position));
}

/** Returns the ratios of measurements of the same round, while there are both. */
export function pairedRatios(values: readonly number[], base: readonly number[]): number[] {
  return values.flatMap((value, round) => {
    const other = base[round];
    return other === undefined ? [] : [value / other];
  });
}

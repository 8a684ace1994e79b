// Statistics: the median of some rounds, and how far apart they were.

/** Some measurements in short. */
export interface Summary {
  readonly median: number;
  /** The quartiles: half of the rounds lie between them. */
  readonly low: number;
  readonly high: number;
  /** How many measurements there were. */
  readonly count: number;
}

/** Undefined when there is nothing to summarise. */
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

/** Of values in ascending order, with linear interpolation (type 7 of Hyndman and Fan). */
export function quantile(sorted: readonly number[], q: number): number {
  const position = (sorted.length - 1) * q;
  const below = sorted[Math.floor(position)] ?? Number.NaN;
  const above = sorted[Math.ceil(position)] ?? Number.NaN;
  return below + (above - below) * (position - Math.floor(position));
}

/** Ratios of measurements that were taken in the same round, as long as there are both. */
export function pairedRatios(values: readonly number[], base: readonly number[]): number[] {
  return values.flatMap((value, round) => {
    const other = base[round];
    return other === undefined ? [] : [value / other];
  });
}

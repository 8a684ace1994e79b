// MetricFamily: a metric with all its values, ready to be shown.
import type { Exemplar } from './metric-delta.ts';

/** One number with its labels. */
export interface MetricSample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** One histogram with its labels. */
export interface HistogramSample {
  readonly labels: Readonly<Record<string, string>>;
  /** Each bucket's upper bound and how many values were at most that, `+Inf` left out. */
  readonly buckets: readonly (readonly [bound: number, count: number])[];
  /** The sum of all values. */
  readonly sum: number;
  /** How many values there were. */
  readonly count: number;
  /** The last example of a bucket, by its number; that of `+Inf` is the number of the buckets. */
  readonly exemplars?: ReadonlyMap<number, Exemplar>;
}

interface Named {
  readonly name: string;
  readonly help: string;
}

/** A metric with all its values. */
export type MetricFamily =
  | (Named & { readonly type: 'counter' | 'gauge'; readonly samples: readonly MetricSample[] })
  | (Named & { readonly type: 'histogram'; readonly samples: readonly HistogramSample[] });

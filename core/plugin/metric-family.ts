// MetricFamily: a metric with all its values, ready for display.
import type { Exemplar } from './metric-delta.ts';

/** One number with its labels. */
export interface MetricSample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** One histogram with its labels. */
export interface HistogramSample {
  readonly labels: Readonly<Record<string, string>>;
  /** Each bucket's upper bound and the number of values up to it, without `+Inf`. */
  readonly buckets: readonly (readonly [bound: number, count: number])[];
  /** The sum of all values. */
  readonly sum: number;
  /** The number of values. */
  readonly count: number;
  /** The last example of each bucket, by the bucket's number; the number of `+Inf` is the number of buckets. */
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

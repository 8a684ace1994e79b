// MetricDelta: what changed in a process's metrics, as it is sent to the manager in JSON.
import type { MetricDefinition } from './metric-definition.ts';

/** The name under which a worker sends its deltas to the manager; no instance has it. */
export const metricsLine = '';

/** What changed in one metric since it was last sent. */
export interface MetricDelta {
  /** The number of the metric in its process. */
  readonly metric: number;
  /** Its definition; only the first time. */
  readonly definition?: MetricDefinition;
  readonly children: readonly ChildDelta[];
  /** How often a child was requested that does not exist because of the limit; left out when never. */
  readonly overLimit?: number;
  /** The process no longer has it, because the plugin has ended there; this is its last delta. */
  readonly isGone?: true;
}

/** An example of the values of a bucket. */
export interface Exemplar {
  /** The id of the request. */
  readonly id: string;
  readonly value: number;
  /** When it was observed, in s since 1970. */
  readonly at: number;
}

/** What changed in one child of a metric. */
export interface ChildDelta {
  /** Its number in its metric. */
  readonly child: number;
  /** The values of its labels; only the first time. */
  readonly labels?: readonly string[];
  /** The growth of a counter; the value of a gauge; the growth of a histogram's sum. */
  readonly value: number;
  /** The growth of a histogram's buckets: `[bucket, count, bucket, count…]`; the last bucket is `+Inf`. */
  readonly counts?: readonly number[];
  /** Examples of observed values, by the numbers of their buckets; left out when there are none. */
  readonly exemplars?: readonly (readonly [bucket: number, exemplar: Exemplar])[];
  /** It no longer exists, and its number is not used again. */
  readonly gone?: true;
}

// MetricDelta: what changed in a process's metrics, as it is sent to the manager in JSON.
import type { MetricDefinition } from './metric-definition.ts';

/** What changed in one metric since it was last told of. */
export interface MetricDelta {
  /** The number of the metric in its process. */
  readonly metric: number;
  /** What it is; the first time only. */
  readonly definition?: MetricDefinition;
  readonly children: readonly ChildDelta[];
  /** How often a child was asked for that is not there because of the limit; left out when never. */
  readonly overLimit?: number;
  /** The process has it no more, as the plugin has ended there; this is the last word. */
  readonly isGone?: true;
}

/** A value that stands as an example for those of its bucket. */
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
  /** The values of its labels; the first time only. */
  readonly labels?: readonly string[];
  /** What a counter grew by; what a gauge stands at; what a histogram's sum grew by. */
  readonly value: number;
  /** What a histogram's buckets grew by: `[bucket, count, bucket, count…]`; the last bucket is `+Inf`. */
  readonly counts?: readonly number[];
  /** Examples of what a histogram observed, by the numbers of their buckets; left out when there are none. */
  readonly exemplars?: readonly (readonly [bucket: number, exemplar: Exemplar])[];
  /** It is not there any more, and its number is not used again. */
  readonly gone?: true;
}

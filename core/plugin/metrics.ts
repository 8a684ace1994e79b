// Metrics: the counters, gauges and histograms of a plugin, summed over all workers.

/** Counts what happened; it only grows, until Weldr's manager ends. */
export interface Counter {
  /** Adds `by` (default 1). A negative or infinite number and NaN are not counted, and logged once. */
  inc(by?: number): void;
}

/**
 * A number that goes up and down, such as open connections. It is summed over workers; a worker's part leaves the sum
 * when the worker ends. An infinite number and NaN change nothing, and are logged once.
 */
export interface Gauge {
  set(value: number): void;
  /** Adds `by`, default 1. */
  inc(by?: number): void;
  /** Subtracts `by`, default 1. */
  dec(by?: number): void;
}

/** What a value is an example of: a request, by its id. */
export interface Identified {
  /** Read only when an example is needed; undefined: there is none. */
  readonly id?: string | undefined;
}

/** Counts values by size. */
export interface Histogram {
  /**
   * Counts a value; times are in seconds. An infinite number and NaN are not counted, and logged once. `example`: the
   * first of each bucket is kept until it is sent to the manager, and shown with the bucket in OpenMetrics.
   */
  observe(value: number, example?: Identified): void;
}

/** One string for each label, in the order of the labels. */
export type LabelValues<Labels extends readonly string[]> = { readonly [at in keyof Labels]: string };

/** A metric with labels: a {@link Counter}, {@link Gauge} or {@link Histogram} for each set of their values. */
export interface Labelled<Child, Labels extends readonly string[]> {
  /**
   * Returns the child with these values, which is made if it does not exist. Look it up once and keep it when counting requests.
   * A value over 256 characters is cut. Beyond `maxChildren` it returns the child whose values are all `other`. Throws
   * PLUGIN_FAILED if there are more or fewer values than labels.
   */
  labels(...values: LabelValues<Labels>): Child;
  /**
   * Forgets the child with these values, if there is one: its subject is gone, and its place becomes free. Its counts
   * stay in the sum of all processes until the plugin that serves the metrics also knows that it is gone.
   */
  remove(...values: LabelValues<Labels>): void;
}

/** What a metric is. */
export interface MetricSpec {
  /** `[a-z_][a-z0-9_]*`, with the plugin's name in front: `jwt_refused_total`. It is shown unchanged. */
  readonly name: string;
  /** One sentence for the reader. */
  readonly help: string;
  /** The most sets of label values; default 1,000. The rest is counted as `other`. */
  readonly maxChildren?: number;
}

/** What a histogram is. */
export interface HistogramSpec extends MetricSpec {
  /** Upper bounds, ascending, at most 100; `+Inf` is added. Default: {@link defaultBuckets}. */
  readonly buckets?: readonly number[];
}

/** The spec of a metric without labels. */
export interface Unlabelled {
  readonly labels?: readonly [];
}

/** Names of labels: `[a-z_][a-z0-9_]*`, at most 10, none twice; not `le`, `plugin_instance` or `__…`. */
export interface WithLabels<Labels extends readonly string[]> {
  readonly labels: Labels;
}

/** The buckets that Prometheus' own clients use for the seconds of a request. */
export const defaultBuckets: readonly number[] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/**
 * The metrics of one plugin instance, on either side. Counting allocates nothing; what workers counted reaches the
 * manager in a moment, and what a worker had not sent when it was killed is lost. Each of the three functions returns
 * the existing metric if name, kind, labels and buckets are the same; it throws PLUGIN_FAILED if one of them differs, if
 * the spec is not valid, or if the instance has 1,000 metrics.
 *
 * @example
 * const refused = metrics.counter({ name: 'jwt_refused_total', help: 'Tokens refused.', labels: ['reason'] });
 * const expired = refused.labels('expired');
 * hooks.request.tap('jwt', ctx => { … expired.inc(); … });
 */
export interface Metrics {
  /** A counter; its name ends in `_total`. */
  counter(spec: MetricSpec & Unlabelled): Counter;
  counter<const Labels extends readonly string[]>(
    spec: MetricSpec & WithLabels<Labels>,
  ): Labelled<Counter, Labels>;
  /** A gauge; its name ends in none of `_total`, `_sum`, `_count`, `_bucket`. */
  gauge(spec: MetricSpec & Unlabelled): Gauge;
  gauge<const Labels extends readonly string[]>(
    spec: MetricSpec & WithLabels<Labels>,
  ): Labelled<Gauge, Labels>;
  /** A histogram; its name ends in none of `_total`, `_sum`, `_count`, `_bucket`. */
  histogram(spec: HistogramSpec & Unlabelled): Histogram;
  histogram<const Labels extends readonly string[]>(
    spec: HistogramSpec & WithLabels<Labels>,
  ): Labelled<Histogram, Labels>;
}

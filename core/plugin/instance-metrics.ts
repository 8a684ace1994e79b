// InstanceMetrics: the metrics of one plugin instance in one process, each name once.
import { WeldrError } from '../errors.ts';
import {
  defineMetric,
  describeShape,
  type MetricDefinition,
  type MetricKind,
  sameShape,
} from './metric-definition.ts';
import type {
  Counter,
  Gauge,
  Histogram,
  HistogramSpec,
  Labelled,
  MetricSpec,
  Metrics,
  Unlabelled,
  WithLabels,
} from './metrics.ts';
import { CounterChild, GaugeChild, HistogramChild, type RecordedChild } from './recorded-child.ts';
import type { MakeChild, RecordedMetric } from './recorded-metric.ts';

/** Metrics that one plugin instance may have. */
const maxMetrics = 1000;

/** Records a metric. */
export type RecordMetric = <Child extends RecordedChild>(
  definition: MetricDefinition,
  makeChild: MakeChild<Child>,
) => RecordedMetric<Child>;

interface AnyLabels {
  readonly labels?: readonly string[];
}
type AnyCounter = Counter | Labelled<Counter, readonly string[]>;
type AnyGauge = Gauge | Labelled<Gauge, readonly string[]>;
type AnyHistogram = Histogram | Labelled<Histogram, readonly string[]>;

/** The metrics of one plugin instance. */
export class InstanceMetrics implements Metrics {
  private readonly instance: string;
  private readonly record: RecordMetric;
  private readonly definitions = new Map<string, MetricDefinition>();
  private readonly counters = new Map<string, RecordedMetric<CounterChild>>();
  private readonly gauges = new Map<string, RecordedMetric<GaugeChild>>();
  private readonly histograms = new Map<string, RecordedMetric<HistogramChild>>();

  constructor(instance: string, record: RecordMetric) {
    this.instance = instance;
    this.record = record;
  }

  counter(spec: MetricSpec & Unlabelled): Counter;
  counter<const Labels extends readonly string[]>(
    spec: MetricSpec & WithLabels<Labels>,
  ): Labelled<Counter, Labels>;
  counter(spec: MetricSpec & AnyLabels): AnyCounter {
    const definition = this.define('counter', spec);
    return this.metric(definition, this.counters, (...parts) => new CounterChild(...parts));
  }

  gauge(spec: MetricSpec & Unlabelled): Gauge;
  gauge<const Labels extends readonly string[]>(
    spec: MetricSpec & WithLabels<Labels>,
  ): Labelled<Gauge, Labels>;
  gauge(spec: MetricSpec & AnyLabels): AnyGauge {
    const definition = this.define('gauge', spec);
    return this.metric(definition, this.gauges, (...parts) => new GaugeChild(...parts));
  }

  histogram(spec: HistogramSpec & Unlabelled): Histogram;
  histogram<const Labels extends readonly string[]>(
    spec: HistogramSpec & WithLabels<Labels>,
  ): Labelled<Histogram, Labels>;
  histogram(spec: HistogramSpec & AnyLabels): AnyHistogram {
    const definition = this.define('histogram', spec);
    const bounds = Float64Array.from(definition.buckets);
    return this.metric(definition, this.histograms, (...parts) => new HistogramChild(...parts, bounds));
  }

  private define(kind: MetricKind, spec: MetricSpec): MetricDefinition {
    const definition = defineMetric(this.instance, kind, spec);
    const known = this.definitions.get(definition.name);
    if (known !== undefined && !sameShape(known, definition)) {
      throw new WeldrError(
        'PLUGIN_FAILED',
        `${describeShape(definition)}: there is ${describeShape(known)} already`,
      );
    }
    return known ?? definition;
  }

  private metric<Child extends RecordedChild>(
    definition: MetricDefinition,
    known: Map<string, RecordedMetric<Child>>,
    makeChild: MakeChild<Child>,
  ): Child | RecordedMetric<Child> {
    const { name, labels } = definition;
    let metric = known.get(name);
    if (metric === undefined) {
      if (this.definitions.size >= maxMetrics) {
        throw new WeldrError('PLUGIN_FAILED', `${name} is over the limit of ${maxMetrics} metrics`);
      }
      metric = this.record(definition, makeChild);
      this.definitions.set(name, definition);
      known.set(name, metric);
    }
    return labels.length === 0 ? metric.labels() : metric;
  }
}

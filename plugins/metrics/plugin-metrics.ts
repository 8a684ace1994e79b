// PluginMetrics: measures how long plugins take in each stage of a request, and counts where they fail.
import type { WeldrError } from '../../core/errors.ts';
import type { Counter, Histogram, Labelled, Metrics } from '../../core/plugin/metrics.ts';

/** In seconds: from reading a field to asking another server. */
const buckets = [0.000001, 0.00001, 0.0001, 0.001, 0.01, 0.1, 1, 10];

type StageLabels = readonly ['plugin', 'stage'];

/** Counts the time and the failures of plugins. */
export class PluginMetrics {
  private readonly seconds: Labelled<Histogram, StageLabels>;
  private readonly failures: Labelled<Counter, StageLabels>;

  constructor(metrics: Metrics) {
    const labels = ['plugin', 'stage'] as const;
    this.seconds = metrics.histogram({
      name: 'weldr_plugin_stage_seconds',
      help: 'Time that a plugin takes in a stage of a request, waits included; measured for a sample of requests.',
      labels,
      buckets,
    });
    this.failures = metrics.counter({
      name: 'weldr_plugin_failures_total',
      help: 'Requests that failed because a plugin threw, returned an invalid value or took too long.',
      labels,
    });
  }

  took(plugin: string, stage: string, ms: number): void {
    this.seconds.labels(plugin, stage).observe(Math.max(0, ms) / 1_000);
  }

  failed({ plugin, stage }: WeldrError): void {
    this.failures.labels(plugin ?? '', stage ?? '').inc();
  }
}

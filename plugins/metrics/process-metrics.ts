// ProcessMetrics: measures one process of Weldr: CPU, memory, garbage collection, and the delay of its event loop.
import { constants, monitorEventLoopDelay, PerformanceObserver } from 'node:perf_hooks';
import type { Counter, Gauge, Labelled, Metrics } from '../../core/plugin/metrics.ts';

/** How often the event loop's delay is measured, ms. */
const resolution = 20;
const nanoseconds = 1e9;
const microseconds = 1e6;

const gcKinds: Readonly<Record<number, string>> = {
  [constants.NODE_PERFORMANCE_GC_MAJOR]: 'major',
  [constants.NODE_PERFORMANCE_GC_MINOR]: 'minor',
  [constants.NODE_PERFORMANCE_GC_INCREMENTAL]: 'incremental',
};

/** Measures this process with each `look`, until it is closed. */
export class ProcessMetrics {
  private readonly delay = monitorEventLoopDelay({ resolution });
  private readonly garbage: PerformanceObserver;
  private readonly cpu: { readonly user: Counter; readonly system: Counter };
  private readonly gauges: Readonly<Record<'rss' | 'heapUsed' | 'heapTotal' | 'p99' | 'longest', Gauge>>;
  private used = { user: 0, system: 0 };

  /** `name`: the value of the label `process`: `manager`, or a worker's number. */
  constructor(metrics: Metrics, name: string) {
    const labels = ['process'] as const;
    const gauge = (metric: string, help: string): Gauge =>
      metrics.gauge({ name: metric, help, labels }).labels(name);
    const cpu: Labelled<Counter, readonly ['process', 'mode']> = metrics.counter({
      name: 'weldr_process_cpu_seconds_total',
      help: 'CPU time that a process has used.',
      labels: ['process', 'mode'],
    });
    this.cpu = { user: cpu.labels(name, 'user'), system: cpu.labels(name, 'system') };
    this.gauges = {
      rss: gauge('weldr_process_resident_memory_bytes', 'Resident memory of a process.'),
      heapUsed: gauge('weldr_process_heap_used_bytes', 'Used size of the JavaScript heap.'),
      heapTotal: gauge('weldr_process_heap_size_bytes', 'Total size of the JavaScript heap.'),
      p99: gauge(
        'weldr_process_event_loop_delay_p99_seconds',
        "99th percentile of the event loop's delay in the last second.",
      ),
      longest: gauge(
        'weldr_process_event_loop_delay_max_seconds',
        'Longest delay of the event loop in the last second.',
      ),
    };
    const collections = metrics.counter({
      name: 'weldr_process_gc_seconds_total',
      help: 'Time spent collecting garbage.',
      labels: ['process', 'kind'],
    });
    for (const kind of ['major', 'minor']) collections.labels(name, kind);
    this.garbage = new PerformanceObserver(list => {
      for (const entry of list.getEntries()) {
        collections.labels(name, gcKinds[kindOf(entry)] ?? 'other').inc(entry.duration / 1_000);
      }
    });
    this.garbage.observe({ entryTypes: ['gc'] });
    this.delay.enable();
  }

  look(): void {
    const { user, system } = process.cpuUsage();
    this.cpu.user.inc(Math.max(0, user - this.used.user) / microseconds);
    this.cpu.system.inc(Math.max(0, system - this.used.system) / microseconds);
    this.used = { user, system };
    const { rss, heapUsed, heapTotal } = process.memoryUsage();
    this.gauges.rss.set(rss);
    this.gauges.heapUsed.set(heapUsed);
    this.gauges.heapTotal.set(heapTotal);
    this.gauges.p99.set(late(this.delay.percentile(99)));
    this.gauges.longest.set(late(this.delay.max));
    this.delay.reset();
  }

  close(): void {
    this.garbage.disconnect();
    this.delay.disable();
  }
}

/** Returns the delay in seconds: a sample includes the interval between two samples, and there is none before the second. */
function late(measured: number): number {
  const seconds = measured / nanoseconds - resolution / 1_000;
  return Number.isFinite(seconds) && seconds > 0 && seconds < 86_400 ? seconds : 0;
}

function kindOf(entry: PerformanceEntry): number {
  const said: unknown = 'detail' in entry ? entry.detail : undefined;
  if (typeof said !== 'object' || said === null || !('kind' in said)) return 0;
  return typeof said.kind === 'number' ? said.kind : 0;
}

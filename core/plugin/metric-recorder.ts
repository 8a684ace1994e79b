// MetricRecorder: the metrics of all plugin instances of one process, and what of them its manager has not heard yet.
import { InstanceMetrics } from './instance-metrics.ts';
import type { ChildDelta, MetricDelta } from './metric-delta.ts';
import type { Metrics } from './metrics.ts';
import type { ChildOwner, RecordedChild } from './recorded-child.ts';
import { type MetricLog, RecordedMetric } from './recorded-metric.ts';

/** Makes the metrics of plugin instances, and hands over what they counted. */
export class MetricRecorder {
  /** The metrics of each plugin that has any. */
  private readonly plugins = new Map<Metrics, RecordedMetric<RecordedChild>[]>();
  private made = 0;
  /** Of plugins that have ended: the manager has to hear that they are gone, when it has heard all else of them. */
  private readonly gone = new Set<RecordedMetric<RecordedChild>>();
  /** The metrics that the manager has not heard of. */
  private untold: ChildOwner[] = [];
  /** The children that have something to tell, in the order of their first change: a list by their `next`. */
  private first: RecordedChild | undefined;
  private last: RecordedChild | undefined;

  /**
   * Metrics for a plugin that starts as this instance, until {@link drop}. `log` is the plugin's: what cannot be counted is said
   * there once a metric.
   */
  open(instance: string, log: MetricLog): Metrics {
    const recorded: RecordedMetric<RecordedChild>[] = [];
    const metrics = new InstanceMetrics(instance, (definition, makeChild) => {
      const number = this.made++;
      const changed = (child: RecordedChild) => this.append(child);
      const metric = new RecordedMetric(definition, { number, log, changed, makeChild });
      recorded.push(metric);
      this.untold.push(metric);
      return metric;
    });
    this.plugins.set(metrics, recorded);
    return metrics;
  }

  /** The plugin of these metrics has ended. */
  drop(metrics: Metrics): void {
    for (const metric of this.plugins.get(metrics) ?? []) this.gone.add(metric);
    this.plugins.delete(metrics);
  }

  /**
   * What changed since the last call, of at most so many children, those that wait longest first; undefined when
   * nothing did. It is not told again, so it has to reach the manager, and in order.
   */
  take(most = Number.POSITIVE_INFINITY): MetricDelta[] | undefined {
    const taken = new Map<ChildOwner, ChildDelta[]>();
    for (const metric of this.untold) taken.set(metric, []);
    this.untold = [];
    for (let left = most; left > 0 && this.first !== undefined; left--) {
      const child = this.removeFirst(this.first);
      const children = taken.get(child.owner);
      if (children === undefined) taken.set(child.owner, [child.take()]);
      else children.push(child.take());
    }
    const deltas = [...taken].map(([metric, children]) => metric.take(children));
    if (this.first === undefined) {
      for (const metric of this.gone) deltas.push({ ...metric.take([]), isGone: true });
      this.gone.clear();
    }
    return deltas.length === 0 ? undefined : deltas;
  }

  /** For a manager that has heard nothing: definitions, labels and gauges are told again, counts are not. */
  resend(): void {
    const metrics = [...this.plugins.values()].flat();
    this.untold = metrics;
    for (const metric of metrics) metric.resend();
  }

  private append(child: RecordedChild): void {
    child.waiting = true;
    if (this.last === undefined) this.first = child;
    else this.last.next = child;
    this.last = child;
  }

  private removeFirst(child: RecordedChild): RecordedChild {
    this.first = child.next;
    if (this.first === undefined) this.last = undefined;
    child.next = undefined;
    child.waiting = false;
    return child;
  }
}

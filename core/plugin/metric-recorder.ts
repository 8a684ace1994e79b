// MetricRecorder: the metrics of all plugin instances of one process, and what it has not yet sent to its manager.
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
  /** Metrics of plugins that have ended: after all their values the manager must receive their end. */
  private readonly gone = new Set<RecordedMetric<RecordedChild>>();
  /** The metrics that the manager does not know yet. */
  private untold: ChildOwner[] = [];
  /** The children with unsent changes, in the order of their first change: a list linked by `next`. */
  private first: RecordedChild | undefined;
  private last: RecordedChild | undefined;

  /**
   * Returns metrics for a plugin that starts as this instance, until {@link drop}. `log` is the plugin's: values that cannot be
   * counted are logged there, once per metric.
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

  /** Called when the plugin of these metrics has ended. */
  drop(metrics: Metrics): void {
    for (const metric of this.plugins.get(metrics) ?? []) this.gone.add(metric);
    this.plugins.delete(metrics);
  }

  /**
   * Returns what changed since the last call, for at most this many children, the longest waiting first; undefined when
   * nothing did. The same changes are not returned again, so they must reach the manager, in order.
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

  /** Starts over for a new manager: definitions, labels and gauges are sent again, counts are not. */
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

// MetricRecorder: the metrics of all plugin instances of one process, and what of them its manager has not heard yet.
import { InstanceMetrics } from './instance-metrics.ts';
import type { ChildDelta, MetricDelta } from './metric-delta.ts';
import type { Metrics } from './metrics.ts';
import type { ChildOwner, RecordedChild } from './recorded-child.ts';
import { type MetricLog, RecordedMetric } from './recorded-metric.ts';

/** Makes the metrics of plugin instances, and hands over what they counted. */
export class MetricRecorder {
  private readonly instances = new Map<string, InstanceMetrics>();
  private readonly metrics: RecordedMetric<RecordedChild>[] = [];
  /** The metrics that the manager has not heard of. */
  private untold: ChildOwner[] = [];
  /** The children that have something to tell, in the order of their first change: a list by their `next`. */
  private first: RecordedChild | undefined;
  private last: RecordedChild | undefined;

  /** The metrics of a plugin instance. `log` is the plugin's: what cannot be counted is said there once a metric. */
  of(instance: string, log: MetricLog): Metrics {
    const known = this.instances.get(instance);
    if (known !== undefined) return known;
    const made = new InstanceMetrics(instance, (definition, makeChild) => {
      const number = this.metrics.length;
      const changed = (child: RecordedChild) => this.append(child);
      const metric = new RecordedMetric(definition, { number, log, changed, makeChild });
      this.metrics.push(metric);
      this.untold.push(metric);
      return metric;
    });
    this.instances.set(instance, made);
    return made;
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
    if (taken.size === 0) return undefined;
    return [...taken].map(([metric, children]) => metric.take(children));
  }

  /** For a manager that has heard nothing: definitions, labels and gauges are told again, counts are not. */
  resend(): void {
    this.untold = [...this.metrics];
    for (const metric of this.metrics) metric.resend();
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

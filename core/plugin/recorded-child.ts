// RecordedChild: one counter, gauge or histogram of one process, and what of it the manager has not heard yet.
import type { ChildDelta, MetricDelta } from './metric-delta.ts';
import type { Counter, Gauge, Histogram } from './metrics.ts';

/** The metric that a child is of. */
export interface ChildOwner {
  /** Is told when the child has something to tell for the first time since it was taken. */
  changed(child: RecordedChild): void;
  /** Is told of a number that cannot be counted. */
  refuse(value: number): void;
  /** What there is to tell of the metric, with what was taken of its children. */
  take(children: readonly ChildDelta[]): MetricDelta;
}

/** What counters, gauges and histograms have in common. */
export abstract class RecordedChild {
  readonly owner: ChildOwner;
  /** Its number in its metric. */
  readonly number: number;
  readonly values: readonly string[];
  /** Has the manager heard of it? */
  told = false;
  /** Does it stand in the list of those that have something to tell? */
  waiting = false;
  /** The next in that list. */
  next: RecordedChild | undefined = undefined;

  constructor(owner: ChildOwner, number: number, values: readonly string[]) {
    this.owner = owner;
    this.number = number;
    this.values = values;
  }

  /** What the manager has not heard yet. */
  take(): ChildDelta {
    const delta = { child: this.number, ...this.takeValue() };
    if (this.told) return delta;
    this.told = true;
    return { ...delta, labels: this.values };
  }

  protected abstract takeValue(): Pick<ChildDelta, 'value' | 'counts'>;
}

/** A counter; `grown` is what the manager has not heard yet. */
export class CounterChild extends RecordedChild implements Counter {
  private grown = 0;

  inc(by = 1): void {
    if (by >= 0 && by < Number.POSITIVE_INFINITY) {
      this.grown += by;
      if (!this.waiting) this.owner.changed(this);
    } else this.owner.refuse(by);
  }

  protected override takeValue(): Pick<ChildDelta, 'value'> {
    const value = this.grown;
    this.grown = 0;
    return { value };
  }
}

/** A gauge. */
export class GaugeChild extends RecordedChild implements Gauge {
  private value = 0;

  set(value: number): void {
    if (Number.isFinite(value)) {
      this.value = value;
      if (!this.waiting) this.owner.changed(this);
    } else this.owner.refuse(value);
  }

  inc(by = 1): void {
    this.set(this.value + by);
  }

  dec(by = 1): void {
    this.set(this.value - by);
  }

  protected override takeValue(): Pick<ChildDelta, 'value'> {
    return { value: this.value };
  }
}

/** A histogram; `counts` is what the manager has not heard yet. */
export class HistogramChild extends RecordedChild implements Histogram {
  private readonly bounds: Float64Array;
  /** The buckets, `+Inf`, and last the sum: in an array, a number that is not whole costs no allocation. */
  private readonly counts: Float64Array;

  constructor(owner: ChildOwner, number: number, values: readonly string[], bounds: Float64Array) {
    super(owner, number, values);
    this.bounds = bounds;
    this.counts = new Float64Array(bounds.length + 2);
  }

  observe(value: number): void {
    if (!Number.isFinite(value)) {
      this.owner.refuse(value);
      return;
    }
    const { bounds, counts } = this;
    const { length } = bounds;
    let bucket = 0;
    while (bucket < length && value > (bounds[bucket] ?? 0)) bucket++;
    counts[bucket] = (counts[bucket] ?? 0) + 1;
    counts[length + 1] = (counts[length + 1] ?? 0) + value;
    if (!this.waiting) this.owner.changed(this);
  }

  protected override takeValue(): Pick<ChildDelta, 'value' | 'counts'> {
    const counts: number[] = [];
    for (let bucket = 0; bucket <= this.bounds.length; bucket++) {
      const count = this.counts[bucket] ?? 0;
      if (count > 0) counts.push(bucket, count);
    }
    const value = this.counts[this.bounds.length + 1] ?? 0;
    this.counts.fill(0);
    return { value, counts };
  }
}

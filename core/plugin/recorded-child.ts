// RecordedChild: one counter, gauge or histogram of one process, and what it has not yet sent to the manager.
import type { ChildDelta, Exemplar, MetricDelta } from './metric-delta.ts';
import type { Counter, Gauge, Histogram, Identified } from './metrics.ts';

/** The metric of a child. */
export interface ChildOwner {
  /** Called at the first change of the child since its last delta was taken. */
  changed(child: RecordedChild): void;
  /** Called with a number that cannot be counted. */
  refuse(value: number): void;
  /** Returns the delta of the metric, with the deltas that were taken of its children. */
  take(children: readonly ChildDelta[]): MetricDelta;
}

/** What counters, gauges and histograms have in common. */
export abstract class RecordedChild {
  readonly owner: ChildOwner;
  /** Its number in its metric. */
  readonly number: number;
  readonly values: readonly string[];
  /** Whether the manager knows it. */
  told = false;
  /** Whether it is in the list of children with unsent changes. */
  waiting = false;
  /** Whether it was removed. */
  gone = false;
  /** The next in that list. */
  next: RecordedChild | undefined = undefined;

  constructor(owner: ChildOwner, number: number, values: readonly string[]) {
    this.owner = owner;
    this.number = number;
    this.values = values;
  }

  /** Returns what was not sent yet. */
  take(): ChildDelta {
    const value = this.takeValue();
    const delta = { child: this.number, ...value, ...(this.gone && { gone: true as const }) };
    if (this.told) return delta;
    this.told = true;
    return { ...delta, labels: this.values };
  }

  protected abstract takeValue(): Pick<ChildDelta, 'value' | 'counts' | 'exemplars'>;
}

/** A counter; `grown` was not sent yet. */
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

/** A histogram; `counts` were not sent yet. */
export class HistogramChild extends RecordedChild implements Histogram {
  private readonly bounds: Float64Array;
  /** The buckets, `+Inf`, and finally the sum: in an array, a fractional number costs no allocation. */
  private readonly counts: Float64Array;
  /** Examples by bucket; made with the first one. */
  private exemplars: Map<number, Exemplar> | undefined = undefined;

  constructor(owner: ChildOwner, number: number, values: readonly string[], bounds: Float64Array) {
    super(owner, number, values);
    this.bounds = bounds;
    this.counts = new Float64Array(bounds.length + 2);
  }

  observe(value: number, example?: Identified): void {
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
    if (example !== undefined && this.exemplars?.has(bucket) !== true) this.exemplify(bucket, value, example);
    if (!this.waiting) this.owner.changed(this);
  }

  /** Rarely called: once for each bucket and each delta that is sent. */
  private exemplify(bucket: number, value: number, { id }: Identified): void {
    if (id === undefined) return;
    this.exemplars ??= new Map();
    this.exemplars.set(bucket, { id, value, at: Date.now() / 1_000 });
  }

  protected override takeValue(): Pick<ChildDelta, 'value' | 'counts' | 'exemplars'> {
    const counts: number[] = [];
    for (let bucket = 0; bucket <= this.bounds.length; bucket++) {
      const count = this.counts[bucket] ?? 0;
      if (count > 0) counts.push(bucket, count);
    }
    const value = this.counts[this.bounds.length + 1] ?? 0;
    this.counts.fill(0);
    const { exemplars } = this;
    if (exemplars === undefined) return { value, counts };
    this.exemplars = undefined;
    return { value, counts, exemplars: [...exemplars] };
  }
}

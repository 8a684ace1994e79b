// MetricSum: one metric of one plugin instance, added up over the processes that have it in the same shape.
import { LabelledChildren } from './labelled-children.ts';
import type { MetricDefinition } from './metric-definition.ts';
import type { ChildDelta, Exemplar, MetricDelta } from './metric-delta.ts';

/** What is known about one child. */
export interface ChildSum {
  readonly values: readonly string[];
  /** A counter, a gauge, or the sum of what a histogram observed. */
  value: number;
  /** The number of values in each bucket of a histogram, not cumulative; the last is `+Inf`. */
  readonly counts: Float64Array;
  /** The last example of each bucket of a histogram; undefined: none was received. */
  exemplars?: Map<number, Exemplar> | undefined;
  /** It was forgotten: later values start from zero. */
  forgotten?: true;
}

/** The children of one process, by their numbers there. */
export class ProcessChildren {
  /** Grows from process to process: a younger one has a greater age. */
  readonly age: number;
  readonly byNumber = new Map<number, ChildSum>();

  constructor(age: number) {
    this.age = age;
  }
}

/** Counters and histograms keep what was added; a gauge is the sum over the running processes. */
export class MetricSum {
  definition: MetricDefinition;
  private readonly children: LabelledChildren<ChildSum>;
  private readonly processes = new Set<ProcessChildren>();
  private overLimitThere = 0;

  constructor(definition: MetricDefinition) {
    this.definition = definition;
    this.children = this.emptyChildren();
    if (definition.labels.length === 0) this.children.of([]);
  }

  /** Adds a process that has this metric, with a definition of the same shape. */
  join(process: ProcessChildren, definition: MetricDefinition): void {
    this.definition = definition;
    this.children.max = definition.maxChildren;
    this.processes.add(process);
  }

  /** Called when a process has ended, or has the metric in another shape now. */
  leave(process: ProcessChildren): void {
    this.processes.delete(process);
  }

  /** The age of the youngest process that has it; 0 when none has. */
  get youngest(): number {
    let youngest = 0;
    for (const { age } of this.processes) youngest = Math.max(youngest, age);
    return youngest;
  }

  add(process: ProcessChildren, { children, overLimit = 0 }: MetricDelta): void {
    this.overLimitThere += overLimit;
    for (const delta of children) this.addChild(process, delta);
  }

  /** Returns the values, child by child. */
  current(): Iterable<ChildSum> {
    if (this.definition.kind !== 'gauge') return this.children;
    const sums = this.emptyChildren();
    if (this.definition.labels.length === 0) sums.of([]);
    for (const { byNumber } of this.processes) {
      for (const { values, value, forgotten } of byNumber.values()) {
        if (forgotten !== true) sums.of(values).value += value;
      }
    }
    return sums;
  }

  /** Forgets the children for which `stays` returns false. If one comes again, it starts at zero. */
  retain(stays: (labels: Readonly<Record<string, string>>) => boolean): void {
    const forget = (child: ChildSum): boolean => !stays(labelsOf(this.definition, child.values));
    for (const child of [...this.children]) {
      if (!forget(child)) continue;
      child.forgotten = true;
      this.children.delete(child.values);
    }
    if (this.definition.kind !== 'gauge') return;
    for (const { byNumber } of this.processes) {
      for (const child of byNumber.values()) if (forget(child)) child.forgotten = true;
    }
  }

  /** How often a child was requested that does not exist because of the limit. */
  get overLimit(): number {
    return this.overLimitThere + this.children.overLimit;
  }

  private addChild(process: ProcessChildren, delta: ChildDelta): void {
    const { child, value, counts = [], exemplars, gone } = delta;
    const sum = this.childOf(process, delta);
    if (sum === undefined) return;
    if (gone === true) process.byNumber.delete(child);
    // A value that overflowed to Infinity is null in JSON.
    if (!Number.isFinite(value)) return;
    if (this.definition.kind === 'gauge') sum.value = value;
    else sum.value += value;
    for (let i = 0; i + 1 < counts.length; i += 2) {
      const bucket = counts[i] ?? 0;
      sum.counts[bucket] = (sum.counts[bucket] ?? 0) + (counts[i + 1] ?? 0);
    }
    if (exemplars === undefined) return;
    sum.exemplars ??= new Map();
    for (const [bucket, exemplar] of exemplars) {
      if (bucket < sum.counts.length) sum.exemplars.set(bucket, exemplar);
    }
  }

  private childOf({ byNumber }: ProcessChildren, { child, labels }: ChildDelta): ChildSum | undefined {
    const known = byNumber.get(child);
    if (known !== undefined && known.forgotten !== true) return known;
    const values = labels ?? known?.values;
    if (values === undefined) return undefined;
    const sum = this.definition.kind === 'gauge' ? this.emptyChild(values) : this.children.of(values);
    byNumber.set(child, sum);
    return sum;
  }

  private emptyChildren(): LabelledChildren<ChildSum> {
    return new LabelledChildren(this.definition.maxChildren, values => this.emptyChild(values));
  }

  private emptyChild(values: readonly string[]): ChildSum {
    const { kind, buckets } = this.definition;
    return { values, value: 0, counts: new Float64Array(kind === 'histogram' ? buckets.length + 1 : 0) };
  }
}

/** The labels of a child, by name. */
export function labelsOf({ labels }: MetricDefinition, values: readonly string[]): Record<string, string> {
  const named: Record<string, string> = {};
  for (const [at, name] of labels.entries()) named[name] = values[at] ?? '';
  return named;
}

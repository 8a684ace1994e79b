// RecordedMetric: one metric of one process, with its children.
import { WeldrError } from '../errors.ts';
import { LabelledChildren, otherValue } from './labelled-children.ts';
import { describeShape, type MetricDefinition } from './metric-definition.ts';
import type { ChildDelta, MetricDelta } from './metric-delta.ts';
import type { ChildOwner, RecordedChild } from './recorded-child.ts';

/** The most characters of a label's value. */
const maxValueLength = 256;

/** Makes a child of a metric. */
export type MakeChild<Child> = (owner: ChildOwner, number: number, values: readonly string[]) => Child;

/** Logs values that cannot be counted, as a plugin's log does. */
export interface MetricLog {
  warn(fields: object, message: string): void;
}

/** What a metric works with. */
export interface RecordedMetricOptions<Child> {
  /** The number of the metric in its process. */
  readonly number: number;
  readonly log: MetricLog;
  /** Called with a child that has unsent changes. */
  changed(child: RecordedChild): void;
  readonly makeChild: MakeChild<Child>;
}

/** A metric. Without labels it has exactly one child from the start. */
export class RecordedMetric<Child extends RecordedChild> implements ChildOwner {
  readonly definition: MetricDefinition;
  private readonly options: RecordedMetricOptions<Child>;
  private readonly children: LabelledChildren<Child>;
  private made = 0;
  private told = false;
  private toldOverLimit = 0;
  private toldRefusal = false;

  constructor(definition: MetricDefinition, options: RecordedMetricOptions<Child>) {
    this.definition = definition;
    this.options = options;
    this.children = new LabelledChildren(definition.maxChildren, values => {
      const child = options.makeChild(this, this.made++, values);
      // It shows as 0 before anything is counted, so that the first count is seen as a change.
      options.changed(child);
      return child;
    });
    if (definition.labels.length === 0) this.labels();
  }

  labels(...values: readonly string[]): Child {
    const { labels, maxChildren } = this.definition;
    if (values.length !== labels.length) {
      const shape = describeShape(this.definition);
      throw new WeldrError(
        'PLUGIN_FAILED',
        `${shape} takes ${labels.length} label values, not ${values.length}`,
      );
    }
    const overLimit = this.children.overLimit;
    const child = this.children.of(values.map(tidy));
    if (this.children.overLimit > overLimit) {
      if (overLimit === 0)
        this.warn(`has ${maxChildren} children; further ones are counted as ${otherValue}`);
      if (!child.waiting) this.options.changed(child);
    }
    return child;
  }

  remove(...values: readonly string[]): void {
    const tidied = values.map(tidy);
    const child = this.children.known(tidied);
    if (child === undefined) return;
    this.children.delete(tidied);
    child.gone = true;
    if (!child.waiting) this.options.changed(child);
  }

  changed(child: RecordedChild): void {
    this.options.changed(child);
  }

  refuse(value: number): void {
    if (this.toldRefusal) return;
    this.toldRefusal = true;
    this.warn(`cannot count ${String(value)}; such values are left out, and only the first is logged`);
  }

  take(children: readonly ChildDelta[]): MetricDelta {
    const { number } = this.options;
    const overLimit = this.children.overLimit - this.toldOverLimit;
    this.toldOverLimit = this.children.overLimit;
    const definition = this.told ? undefined : this.definition;
    this.told = true;
    return {
      metric: number,
      ...(definition === undefined ? {} : { definition }),
      children,
      ...(overLimit === 0 ? {} : { overLimit }),
    };
  }

  /** Sends definition, labels and values again. */
  resend(): void {
    this.told = false;
    for (const child of this.children) {
      child.told = false;
      if (!child.waiting) this.options.changed(child);
    }
  }

  private warn(what: string): void {
    const { name } = this.definition;
    this.options.log.warn({ metric: name }, `the metric ${name} ${what}`);
  }
}

/** Returns a value that can be displayed: whole characters only, and of limited length. */
function tidy(value: string): string {
  return String(value).slice(0, maxValueLength).toWellFormed();
}

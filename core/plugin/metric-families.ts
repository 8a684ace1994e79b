// MetricFamilies: the sums of all instances, merged by name so that no name and no set of labels occurs twice.
import { keyOf } from './labelled-children.ts';
import { instanceLabel, type MetricDefinition, sameShape } from './metric-definition.ts';
import type { Exemplar } from './metric-delta.ts';
import type { HistogramSample, MetricFamily, MetricSample } from './metric-family.ts';
import { type ChildSum, labelsOf, type MetricSum } from './metric-sum.ts';

/** The name of the metric in which {@link MetricFamilies} reports reached limits. */
const overLimitName = 'weldr_metric_over_limit_total';

interface Family {
  definition: MetricDefinition;
  /** The age of the youngest process that has it. */
  youngest: number;
  readonly samples: Map<string, Sample>;
}

interface Sample {
  readonly labels: Record<string, string>;
  value: number;
  readonly counts: Float64Array;
  readonly exemplars: Map<number, Exemplar> | undefined;
}

/** Metrics that are being prepared for display. */
export class MetricFamilies {
  private readonly byName = new Map<string, Family>();
  private readonly overLimit = new Map<string, number>();

  /**
   * Adds a metric of an instance; `label` goes into `plugin_instance`. If another instance has the name with another
   * shape, the metric of the younger process is shown.
   */
  add(sum: MetricSum, label: string | undefined): void {
    const { definition, youngest, overLimit } = sum;
    const { name } = definition;
    if (overLimit > 0) this.overLimit.set(name, (this.overLimit.get(name) ?? 0) + overLimit);
    let family = this.byName.get(name);
    if (family !== undefined && !sameShape(family.definition, definition)) {
      if (family.youngest > youngest) return;
      family = undefined;
    }
    if (family === undefined) {
      family = { definition, youngest, samples: new Map() };
      this.byName.set(name, family);
    } else if (youngest > family.youngest) {
      family.youngest = youngest;
      family.definition = definition;
    }
    for (const child of sum.current()) addSample(family, child, label);
  }

  list(): MetricFamily[] {
    const families = [...this.byName.values()].map(familyOf);
    if (this.overLimit.size === 0) return families;
    return [
      ...families,
      {
        name: overLimitName,
        type: 'counter',
        help: 'How often a set of label values was counted as other, because its metric has too many.',
        samples: [...this.overLimit].map(([metric, value]) => ({ labels: { metric }, value })),
      },
    ];
  }
}

function addSample(
  family: Family,
  { values, value, counts, exemplars }: ChildSum,
  label: string | undefined,
): void {
  const key = keyOf([...values, label ?? '']);
  const known = family.samples.get(key);
  if (known !== undefined) {
    known.value += value;
    for (const [bucket, count] of counts.entries()) {
      known.counts[bucket] = (known.counts[bucket] ?? 0) + count;
    }
    return;
  }
  const labels = labelsOf(family.definition, values);
  if (label !== undefined) labels[instanceLabel] = label;
  family.samples.set(key, { labels, value, counts: counts.slice(), exemplars });
}

function familyOf({ definition, samples }: Family): MetricFamily {
  const { name, help, kind, buckets } = definition;
  if (kind === 'histogram') {
    const histograms: HistogramSample[] = [];
    for (const { labels, value, counts, exemplars } of samples.values()) {
      histograms.push({
        labels,
        sum: value,
        ...cumulative(buckets, counts),
        ...(exemplars !== undefined && { exemplars }),
      });
    }
    return { name, help, type: kind, samples: histograms };
  }
  const numbers: MetricSample[] = [];
  for (const { labels, value } of samples.values()) numbers.push({ labels, value });
  return { name, help, type: kind, samples: numbers };
}

/** Returns cumulative counts: each bucket includes the smaller ones. */
function cumulative(
  bounds: readonly number[],
  counts: Float64Array,
): Pick<HistogramSample, 'buckets' | 'count'> {
  let count = 0;
  const buckets = bounds.map((bound, at): [number, number] => {
    count += counts[at] ?? 0;
    return [bound, count];
  });
  return { buckets, count: count + (counts[bounds.length] ?? 0) };
}

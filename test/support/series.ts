// The series of families as `name{label="value"}` to number, with sorted labels, as readExposition returns them.
import type { MetricFamily } from '../../core/plugin/metric-family.ts';

/** Returns the series by key. Throws for a duplicate one. */
export function seriesOf(families: Iterable<MetricFamily>): Map<string, number> {
  const series = new Map<string, number>();
  const add = (name: string, labels: Readonly<Record<string, string>>, value: number): void => {
    const pairs = Object.entries(labels).map(([label, own]) => `${label}=${JSON.stringify(own)}`);
    const key = pairs.length === 0 ? name : `${name}{${pairs.toSorted().join(',')}}`;
    if (series.has(key)) throw new Error(`${key} occurs twice`);
    series.set(key, value);
  };
  for (const family of families) {
    const { name } = family;
    if (family.type !== 'histogram') {
      for (const { labels, value } of family.samples) add(name, labels, value);
      continue;
    }
    for (const { labels, buckets, count, sum } of family.samples) {
      for (const [le, below] of buckets) add(`${name}_bucket`, { ...labels, le: String(le) }, below);
      add(`${name}_bucket`, { ...labels, le: '+Inf' }, count);
      add(`${name}_sum`, labels, sum);
      add(`${name}_count`, labels, count);
    }
  }
  return series;
}

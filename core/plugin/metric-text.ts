// Metrics as text: the exposition format of Prometheus, version 0.0.4.
import type { HistogramSample, MetricFamily } from './metric-family.ts';

/** The Content-Type of {@link metricText}. */
export const metricTextType = 'text/plain; version=0.0.4; charset=utf-8';

/**
 * Families as Prometheus reads them: one line for each number, under `# HELP` and `# TYPE`. Prometheus refuses a text
 * in which a name stands twice, so that of families of one name the first is written and the others are left out.
 */
export function metricText(families: Iterable<MetricFamily>): string {
  const written = new Set<string>();
  let text = '';
  for (const family of families) {
    const { name, help, type } = family;
    if (written.has(name)) continue;
    written.add(name);
    text += `# HELP ${name} ${escapeHelp(help)}\n# TYPE ${name} ${type}\n`;
    if (family.type === 'histogram') {
      for (const sample of family.samples) text += histogramLines(name, sample);
    } else {
      for (const { labels, value } of family.samples) text += line(name, labels, value);
    }
  }
  return text;
}

function histogramLines(name: string, { labels, buckets, sum, count }: HistogramSample): string {
  let lines = '';
  for (const [bound, below] of buckets)
    lines += line(`${name}_bucket`, { ...labels, le: number(bound) }, below);
  lines += line(`${name}_bucket`, { ...labels, le: '+Inf' }, count);
  return lines + line(`${name}_sum`, labels, sum) + line(`${name}_count`, labels, count);
}

function line(name: string, labels: Readonly<Record<string, string>>, value: number): string {
  let pairs = '';
  for (const [label, text] of Object.entries(labels)) {
    pairs += `${pairs === '' ? '{' : ','}${label}="${escapeValue(text)}"`;
  }
  return `${name}${pairs}${pairs === '' ? '' : '}'} ${number(value)}\n`;
}

function number(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf';
  return value === Number.NEGATIVE_INFINITY ? '-Inf' : String(value);
}

function escapeHelp(help: string): string {
  return help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}

function escapeValue(value: string): string {
  return escapeHelp(value).replaceAll('"', '\\"');
}

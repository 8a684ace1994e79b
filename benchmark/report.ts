// Report: the figures as people read them.
import type { ProxyResult, ScenarioResult } from './comparison.ts';
import type { Summary } from './statistics.ts';
import { textTable } from './table.ts';

const headings = ['', 'CPU/request', '× nginx (quartiles)', 'requests/s', '× nginx', 'p50', 'p99', 'memory'];

/** One scenario as a table for a terminal. */
export function describeScenario({ title, results }: ScenarioResult): string {
  const notes = results.flatMap(({ proxy, refused }) =>
    refused === undefined ? [] : [`${proxy}: no comparison: ${refused}`],
  );
  const bound = results.some(result => result.clientBound)
    ? ['≥ : the core of client and origin had no time left, the proxy may do more']
    : [];
  const others = Math.max(0, ...results.flatMap(({ samples }) => samples.map(sample => sample.othersBusy)));
  if (others > 0.05)
    bound.push(`other processes had up to ${Math.round(others * 100)} % of the proxy's core`);
  return [`\n${title}`, textTable(headings, results.map(cells)), ...notes, ...bound].join('\n');
}

/** `1.32 (1.29–1.36)`: a median of ratios and its quartiles. */
export function formatRatio(ratio: Summary | undefined): string {
  if (ratio === undefined) return '–';
  return `${ratio.median.toFixed(2)} (${ratio.low.toFixed(2)}–${ratio.high.toFixed(2)})`;
}

/** `840 µs`, `1.24 ms`: a time of so many µs. */
export function formatTime(microseconds: number): string {
  if (microseconds < 1000) return `${microseconds.toFixed(microseconds < 100 ? 1 : 0)} µs`;
  return `${(microseconds / 1000).toFixed(2)} ms`;
}

/** `12.3 MB`. */
export function formatBytes(bytes: number): string {
  if (bytes < 1024 * 1024) return `${(bytes / 1024).toFixed(1)} KB`;
  return `${(bytes / 1024 / 1024).toFixed(1)} MB`;
}

function cells(result: ProxyResult): string[] {
  const bound = result.clientBound ? '≥ ' : '';
  const show = (summary: Summary | undefined, format: (value: number) => string): string =>
    summary === undefined ? '–' : format(summary.median);
  return [
    result.proxy,
    show(result.cpuPerRequest, formatTime),
    formatRatio(result.cpuRatio),
    show(result.requestsPerSecond, value => bound + Math.round(value).toLocaleString('en')),
    show(result.throughputRatio, value => bound + value.toFixed(2)),
    show(result.p50, formatTime),
    show(result.p99, formatTime),
    show(result.memory, formatBytes),
  ];
}

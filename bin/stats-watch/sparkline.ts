// Sparkline: a chart in one line, a character per span of time.

const bars = [...'▁▂▃▄▅▆▇█'];

/** The values of a sparkline, and its scale. */
export interface SparklineOptions {
  /** When each value was measured, ms; the line ends at the last one. */
  readonly at: readonly number[];
  readonly values: readonly (number | null)[];
  /** The time that it covers, ms. */
  readonly span: number;
  /** In characters. */
  readonly width: number;
  /** The value of a full bar if none is larger. */
  readonly least: number;
  /** What a character shows of its values. */
  readonly show: 'mean' | 'highest';
}

/** Returns the line and its largest value; a blank means that nothing was measured. */
export function sparkline({ at, values, span, width, least, show }: SparklineOptions): {
  readonly text: string;
  readonly highest: number | undefined;
} {
  const end = at.at(-1) ?? 0;
  const cells: number[][] = Array.from({ length: Math.max(0, width) }, () => []);
  for (const [i, time] of at.entries()) {
    const value = values[i];
    // The last character holds the newest value.
    const back = Math.floor(((end - time) / span) * width);
    if (typeof value === 'number') cells[width - 1 - back]?.push(value);
  }
  const shown = cells.map(cell => {
    if (cell.length === 0) return undefined;
    return show === 'mean' ? cell.reduce((sum, one) => sum + one, 0) / cell.length : Math.max(...cell);
  });
  const known = shown.filter(value => value !== undefined);
  const highest = known.length === 0 ? undefined : Math.max(...known);
  const full = Math.max(least, highest ?? 0);
  const text = shown.map(value => (value === undefined ? ' ' : barOf(value, full))).join('');
  return { text, highest };
}

function barOf(value: number, full: number): string {
  const at = full > 0 ? Math.round((value / full) * (bars.length - 1)) : 0;
  return bars[Math.max(0, Math.min(bars.length - 1, at))] ?? ' ';
}

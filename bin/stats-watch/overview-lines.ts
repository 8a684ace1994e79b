// The overview as lines: the current figures with charts of the last 15 minutes, and the problems.
import { figure, type Style } from './columns.ts';
import { type Line, type Piece, partsThatFit, widthOf, wrapped } from './line.ts';
import type { History, Overview } from './overview.ts';
import { sparkline } from './sparkline.ts';

/** How far back the charts reach, ms. */
const span = 15 * 60_000;
/** A narrower chart would show nothing. */
const leastChart = 8;
const widestChart = 60;

/** The room for lines. */
interface Room {
  /** In characters. */
  readonly width: number;
  /** Whether the figures are out of date. */
  readonly isOld: boolean;
}

type Traffic = NonNullable<Overview['traffic']>;
type Value = 'rate' | 'errorShare' | 'p50' | 'p95' | 'p99';

interface Row {
  readonly name: string;
  readonly value: Value;
  /** The value of a full bar if none is larger: one error in a thousand must not look like a peak. */
  readonly least: number;
  text(value: number | null | undefined): string;
}

const rows: readonly Row[] = [
  { name: 'requests', value: 'rate', least: 0, text: value => `${figure(value ?? undefined)}/s` },
  { name: 'errors', value: 'errorShare', least: 0.01, text: shareOf },
  { name: 'p50', value: 'p50', least: 0, text: msOf },
  { name: 'p95', value: 'p95', least: 0, text: msOf },
  { name: 'p99', value: 'p99', least: 0, text: msOf },
];

/** Returns the figures of clients' requests, a line each, with charts. */
export function trafficLines({ traffic, history }: Overview, { width, isOld }: Room): Line[] {
  if (traffic === null) return [];
  return rows.map(row => {
    const style = isOld ? 'faint' : row.value === 'errorShare' ? errorStyle(traffic) : undefined;
    const pieces: Piece[] = [
      { text: row.name.padEnd(9), style: isOld ? 'faint' : undefined },
      { text: row.text(traffic[row.value]).padStart(8), style },
    ];
    const room = Math.min(widestChart, width - 9 - 8 - 2);
    if (!history || room < leastChart) return partsThatFit(pieces, width);
    const { text, highest } = chartOf(row, history, room);
    pieces.push({ text, style: isOld ? 'faint' : undefined });
    if (highest !== undefined) pieces.push({ text: `at most ${row.text(highest)}`, style: 'faint' });
    return joined(pieces, width);
  });
}

/** Returns the same in one line, for small terminals. */
export function trafficLine({ traffic }: Overview, { width, isOld }: Room): Line[] {
  if (traffic === null) return [];
  const style = isOld ? 'faint' : undefined;
  const parts: Piece[] = rows.map(row => {
    const name = row.value === 'rate' ? '' : `${row.name} `;
    const own = row.value === 'errorShare' ? (style ?? errorStyle(traffic)) : style;
    return { text: `${name}${row.text(traffic[row.value])}`, style: own };
  });
  return [partsThatFit(parts, width)];
}

/** Returns the problems, the worst first, in at most `most` lines. */
export function problemLines(
  { problems }: Overview,
  { width, isOld, most }: Room & { readonly most: number },
): Line[] {
  if (most <= 0) return [];
  if (problems.length === 0)
    return [[{ text: 'nothing is wrong'.slice(0, width), style: isOld ? 'faint' : 'good' }]];
  const lines: Line[] = [];
  let shown = 0;
  for (const { severity, text } of problems) {
    const style: Style = isOld ? 'faint' : severity === 'error' ? 'bad' : 'warning';
    const made = wrapped(`${severity}: ${text}`, width).map((line): Line => [{ text: line, style }]);
    // The last line may be needed to say that there are more.
    const room = most - lines.length - (shown + 1 < problems.length ? 1 : 0);
    if (made.length > room && shown > 0) break;
    lines.push(...made.slice(0, Math.max(1, room)));
    shown++;
  }
  const left = problems.length - shown;
  if (left > 0 && lines.length < most) lines.push(partsThatFit([{ text: `and ${left} more` }], width));
  return lines.slice(0, most);
}

/** Formats the overview without a terminal: a line of figures, and one for each problem. */
export function overviewText(overview: Overview): string {
  const { traffic, problems } = overview;
  const parts = traffic === null ? [] : rows.map(row => `${row.name} ${row.text(traffic[row.value])}`);
  const said = problems.map(({ severity, text }) => `${severity}: ${text}`);
  return [parts.join('  '), ...(said.length === 0 ? ['nothing is wrong'] : said)].filter(Boolean).join('\n');
}

function chartOf({ value, least }: Row, history: History, width: number) {
  const show = value === 'rate' ? 'mean' : 'highest';
  return sparkline({ at: history.at, values: history[value], span, width, least, show });
}

/** Joins pieces with two spaces between; leaves out what does not fit. */
function joined(pieces: readonly Piece[], width: number): Line {
  const line: Piece[] = [];
  let used = 0;
  for (const [i, piece] of pieces.entries()) {
    const gap = i < 2 ? '' : '  ';
    const wide = gap.length + widthOf(piece.text);
    if (used + wide > width) break;
    line.push({ text: gap }, piece);
    used += wide;
  }
  return line;
}

function errorStyle({ errorShare }: Traffic): Style | undefined {
  return errorShare > 0 ? 'bad' : undefined;
}

function shareOf(value: number | null | undefined): string {
  if (value === null || value === undefined) return '-';
  const percent = value * 100;
  if (percent === 0) return '0 %';
  return percent < 0.1 ? '<0.1 %' : `${percent >= 10 ? percent.toFixed(0) : percent.toFixed(1)} %`;
}

function msOf(value: number | null | undefined): string {
  return value === null || value === undefined ? '-' : `${figure(value)} ms`;
}

// Picture: latency and imbalance of each balancer in each fleet, as an SVG that is readable in light and dark mode and on a phone.
import { escapeXml, round, text } from '../chart.ts';
import type { BalancingResult } from './simulation.ts';

/** The figures of one balancer in one fleet. */
type PictureRow = Omit<BalancingResult, 'p50'> & { readonly balancer: string };

/** One fleet. */
export interface PictureGroup {
  readonly title: string;
  readonly rows: readonly PictureRow[];
}

// The widest that a phone shows without shrinking the letters.
const width = 420;
const margin = 10;
const labelWidth = 108;
const latencyLeft = labelWidth + 8;
const latencyWidth = 130;
const imbalanceLeft = 312;
/** The width of an imbalance of 1, which is twice the mean. */
const imbalanceWidth = 56;
const rowHeight = 20;
const barHeight = 12;
const headHeight = 104;

/** Where the scale of latencies begins, ms, and how many powers of ten it covers. */
const leastLatency = 10;
const decades = 4;
const ticks: readonly (readonly [ms: number, label: string])[] = [
  [10, '10 ms'],
  [100, ''],
  [1_000, '1 s'],
  [10_000, ''],
  [100_000, '100 s'],
];

const style = `
  .back { fill: #ffffff; }
  text { font: 13px system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif; fill: #1f2328; }
  .value { paint-order: stroke; stroke: #ffffff; stroke-width: 4px; stroke-linejoin: round; }
  .title { font-size: 16px; font-weight: 600; }
  .group { font-weight: 600; }
  .quiet { fill: #59636e; font-size: 11.5px; }
  .tick { stroke: #d1d9e0; }
  .plain { fill: #9aa7b4; }
  .good { fill: #1a7f4e; }
  .bad { fill: #cf5a1a; }
  .share { fill: #5b7fb8; }
  @media (prefers-color-scheme: dark) {
    .back { fill: #0d1117; }
    text { fill: #f0f6fc; }
    .value { stroke: #0d1117; }
    .quiet { fill: #9198a1; }
    .tick { stroke: #30363d; }
    .plain { fill: #6b7785; }
    .good { fill: #2ea97a; }
    .bad { fill: #e8793a; }
    .share { fill: #6c93d1; }
  }`;

/** Draws the picture. */
export function drawPicture(groups: readonly PictureGroup[]): string {
  const parts: string[] = [];
  for (const [ms, label] of ticks) parts.push(text(latencyAt(ms), headHeight - 10, label, 'quiet', 'middle'));
  let y = headHeight;
  for (const { title, rows } of groups) {
    parts.push(text(0, y + 15, title, 'group'));
    y += 24;
    for (const [ms] of ticks) {
      const x = round(latencyAt(ms));
      parts.push(`<line class="tick" x1="${x}" x2="${x}" y1="${y}" y2="${y + rows.length * rowHeight}"/>`);
    }
    for (const row of rows) {
      parts.push(...drawRow(row, rows, y));
      y += rowHeight;
    }
    y += 14;
  }
  const height = y + 4;
  const label = 'Latency and imbalance of each balancer in each fleet; the tables below have the figures';
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeXml(label)}">
<style>${style}
</style>
<rect class="back" width="${width}" height="${height}" rx="6"/>
<g transform="translate(${margin} 0)">
${text(0, 26, 'Balancers compared, in simulated fleets', 'title')}
${text(0, 47, 'Green: near the best of its fleet. Orange: twice that, or failures.', 'quiet')}
${text(latencyLeft, headHeight - 28, 'p99 (logarithmic)', 'group')}
${text(imbalanceLeft, headHeight - 28, 'busiest', 'group')}
${text(imbalanceLeft, headHeight - 10, '÷ mean', 'quiet')}
${parts.join('\n')}
</g>
</svg>
`;
}

function drawRow(row: PictureRow, all: readonly PictureRow[], y: number): string[] {
  const { balancer, p99, failed, busiest } = row;
  const middle = y + 14;
  const top = y + (rowHeight - barHeight) / 2;
  const end = latencyAt(p99);
  const failures = failed < 0.001 ? '' : `, ${Math.round(failed * 100)} % failed`;
  const over = (busiest - 1) * imbalanceWidth;
  const bar = (kind: string, x: number, length: number): string =>
    `<rect class="${kind}" x="${round(x)}" y="${round(top)}" width="${round(Math.max(1.5, length))}" height="${barHeight}" rx="2"/>`;
  return [
    text(labelWidth, middle, balancer, '', 'end'),
    bar(standing(row, all), latencyLeft, end - latencyLeft),
    text(end + 5, middle, `${formatLatency(p99)}${failures}`, 'value'),
    bar('share', imbalanceLeft, over),
    text(imbalanceLeft + Math.max(1.5, over) + 5, middle, busiest.toFixed(2), ''),
  ];
}

/** Rates a balancer against the others. */
function standing({ p99, failed }: PictureRow, all: readonly PictureRow[]): 'good' | 'plain' | 'bad' {
  const best = Math.min(...all.map(row => row.p99));
  if (failed > 0.01 || p99 > best * 2) return 'bad';
  return p99 <= best * 1.1 ? 'good' : 'plain';
}

const latencyAt = (ms: number): number =>
  latencyLeft + (Math.max(0, Math.log10(ms / leastLatency)) / decades) * latencyWidth;

function formatLatency(ms: number): string {
  return ms < 1_000 ? `${ms.toFixed(0)} ms` : `${(ms / 1_000).toFixed(1)} s`;
}

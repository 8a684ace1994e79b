// Chart: CPU per request as horizontal bars, as an SVG that is readable in light and dark mode; and the elements of such charts.

/** The content of a chart. */
export interface Chart {
  readonly title: string;
  readonly subtitle: string;
  /** Multiples of the reference, by proxy. */
  readonly groups: readonly { readonly title: string; readonly ratios: Readonly<Record<string, number>> }[];
  /** The proxy whose bars are highlighted. */
  readonly highlighted: string;
}

const width = 760;
const labelWidth = 150;
const valueWidth = 56;
const barHeight = 16;
const barGap = 6;
const groupGap = 30;
const headHeight = 62;
const barsWidth = width - labelWidth - valueWidth - 16;

const style = `
  text { font: 13px system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif; fill: #1f2328; }
  .title { font-size: 17px; font-weight: 600; }
  .group { font-weight: 600; }
  .quiet { fill: #59636e; font-size: 12px; }
  .bar { fill: #9aa7b4; }
  .own { fill: #0a7d52; }
  .reference { stroke: #59636e; stroke-dasharray: 2 3; }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc; }
    .quiet { fill: #9198a1; }
    .bar { fill: #5b6673; }
    .own { fill: #2ea97a; }
    .reference { stroke: #9198a1; }
  }`;

/** Draws a chart. All groups share a scale, which ends at the longest bar; a dashed line marks 1, the reference. */
export function drawChart({ title, subtitle, groups, highlighted }: Chart): string {
  const longest = Math.max(1, ...groups.flatMap(group => Object.values(group.ratios)));
  const scale = barsWidth / longest;
  const parts: string[] = [];
  let y = headHeight;
  for (const group of groups) {
    parts.push(text(0, y + 12, group.title, 'group'));
    y += 24;
    const top = y;
    for (const [proxy, ratio] of Object.entries(group.ratios).toSorted((a, b) => a[1] - b[1])) {
      const own = proxy === highlighted;
      parts.push(
        text(labelWidth - 8, y + 12.5, proxy, own ? 'group' : '', 'end'),
        `<rect class="${own ? 'own' : 'bar'}" x="${labelWidth}" y="${y}" width="${round(ratio * scale)}" height="${barHeight}" rx="2"/>`,
        text(labelWidth + ratio * scale + 6, y + 12.5, ratio.toFixed(2), own ? 'group' : ''),
      );
      y += barHeight + barGap;
    }
    const x = round(labelWidth + scale);
    parts.push(`<line class="reference" x1="${x}" x2="${x}" y1="${top - 4}" y2="${y - 2}"/>`);
    y += groupGap - barGap;
  }
  const height = y - groupGap + barGap + 8;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="-12 0 ${width} ${height}" role="img" aria-label="${escapeXml(title)}">
<style>${style}
</style>
${text(0, 24, title, 'title')}
${text(0, 44, subtitle, 'quiet')}
${parts.join('\n')}
</svg>
`;
}

/** Returns a line of text. `anchor`: which part of it is at `x`. */
export function text(x: number, y: number, content: string, className: string, anchor = 'start'): string {
  const classes = className === '' ? '' : ` class="${className}"`;
  const anchored = anchor === 'start' ? '' : ` text-anchor="${anchor}"`;
  return `<text x="${round(x)}" y="${round(y)}"${classes}${anchored}>${escapeXml(content)}</text>`;
}

/** Rounds to a tenth of a pixel. */
export function round(value: number): number {
  return Math.round(value * 10) / 10;
}

/** Escapes a text for content or attributes. */
export function escapeXml(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}

// A line chart over time, by uPlot; its label has the numbers as text.
import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { timeOf } from '../data/format.ts';
import { windowMs } from '../data/overview.ts';
import { isDark } from '../data/theme.ts';

export interface Line {
  readonly name: string;
  /** A custom property of the style sheet. */
  readonly colour: string;
  readonly filled?: boolean;
  readonly values: readonly (number | null)[];
}

export interface ChartProps {
  readonly label: string;
  readonly at: readonly number[];
  readonly lines: readonly Line[];
  readonly show: (value: number | null) => string;
  /** The least upper end of the scale. */
  readonly least: number;
}

const height = 150;

export function Chart({ label, at, lines, show, least }: ChartProps) {
  const box = useRef<HTMLDivElement>(null);
  const tip = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  const dark = isDark();
  const data: uPlot.AlignedData = [at.map(time => time / 1000), ...lines.map(({ values }) => [...values])];
  useEffect(() => {
    const host = box.current;
    if (host === null) return;
    const made = new uPlot(
      optionsOf(host, { lines, show, least }, chart => describe(chart, tip.current, lines, show)),
      data,
      host,
    );
    plot.current = made;
    const resized = new ResizeObserver(() => made.setSize({ width: host.clientWidth, height }));
    resized.observe(host);
    return () => {
      resized.disconnect();
      made.destroy();
      plot.current = undefined;
    };
  }, [dark]);
  useEffect(() => plot.current?.setData(data), [at, lines]);
  return (
    <div class="chart">
      <div class="chart-box" ref={box} role="img" aria-label={label} />
      <div class="chart-tip" ref={tip} hidden aria-hidden="true" />
    </div>
  );
}

type Shown = Pick<ChartProps, 'lines' | 'show' | 'least'>;

function optionsOf(
  host: HTMLElement,
  { lines, show, least }: Shown,
  onMove: (chart: uPlot) => void,
): uPlot.Options {
  const style = getComputedStyle(host);
  const colour = (name: string): string => style.getPropertyValue(name).trim();
  const axis: uPlot.Axis = {
    stroke: colour('--muted'),
    grid: { stroke: colour('--line'), width: 1 },
    ticks: { show: false },
    font: `11px ${style.fontFamily}`,
  };
  return {
    width: host.clientWidth,
    height,
    padding: [8, 8, 0, 0],
    legend: { show: false },
    cursor: { y: false, points: { size: 6 }, drag: { setScale: false, x: false, y: false } },
    scales: {
      x: { time: true, range: (_, first) => [startOf(first), Date.now() / 1000] },
      y: { range: (_, __, max) => [0, Math.max(least, (max ?? 0) * 1.15)] },
    },
    axes: [
      {
        ...axis,
        size: 28,
        space: 60,
        incrs: [60, 120, 180, 300],
        values: (_, times) => times.map(time => timeOf(time * 1000).slice(0, 5)),
      },
      { ...axis, size: 54, space: 34, values: (_, values) => values.map(value => show(value)) },
    ],
    series: [
      {},
      ...lines.map(({ name, colour: property, filled = false }) => ({
        label: name,
        stroke: colour(property),
        width: 1.75,
        points: { show: false },
        ...(filled && { fill: `${colour(property)}1f` }),
      })),
    ],
    hooks: { setCursor: [onMove] },
  };
}

/** Shows the values at the time under the pointer. */
function describe(
  chart: uPlot,
  tip: HTMLElement | null,
  lines: readonly Line[],
  show: ChartProps['show'],
): void {
  if (tip === null) return;
  const { idx, left = 0 } = chart.cursor;
  const time = idx === null || idx === undefined ? undefined : chart.data[0][idx];
  tip.hidden = time === undefined || left < 0;
  if (time === undefined || idx === null || idx === undefined) return;
  const parts = lines.map(({ name }, line) => `${name} ${show(chart.data[line + 1]?.[idx] ?? null)}`);
  tip.textContent = `${timeOf(time * 1000)}  ${parts.join('  ')}`;
  const isRight = left > chart.bbox.width / devicePixelRatio / 2;
  tip.classList.toggle('left', isRight);
}

/** Returns the start of the time axis, s: 15 minutes ago, or when the data begins, and at least two minutes ago. */
function startOf(first: number | null): number {
  const now = Date.now() / 1000;
  return Math.min(now - 120, Math.max(first ?? now, now - windowMs / 1000));
}

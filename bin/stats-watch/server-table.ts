// The table of the servers, laid out for the width of the terminal.
import { printable } from '../table.ts';
import { type Column, columnsBetween, idColumn, reasonColumn } from './columns.ts';
import { type Line, type Piece, shortened, widthOf } from './line.ts';
import type { ServerLook } from './look.ts';

interface PlacedColumn {
  readonly column: Column;
  readonly width: number;
}

/** The widest text column, except for ids and reasons. */
const widestText = 20;
/** A narrower reason would say nothing. */
const leastReason = 12;

/** Returns a line of headings, and one for each of the first `count` servers. `isOld`: the figures are out of date. */
export function serverTable(
  servers: readonly ServerLook[],
  { width, count, isOld }: { readonly width: number; readonly count: number; readonly isOld: boolean },
): Line[] {
  const shown = servers.slice(0, Math.max(0, count));
  const roomy = place({ servers, shown, width, gap: 2 });
  const { placed, gap } = roomy.isAll ? roomy : place({ servers, shown, width, gap: 1 });
  const heading = placed.map(({ column, width: of }) => aligned(column.heading, of, column));
  return [
    [{ text: shortened(heading.join(' '.repeat(gap)).padEnd(width), width), style: 'heading' }],
    ...shown.map(server => rowOf(server, placed, { gap, isOld })),
  ];
}

interface Room {
  readonly servers: readonly ServerLook[];
  readonly shown: readonly ServerLook[];
  readonly width: number;
  readonly gap: number;
}

/** Leaves out the least important columns until the others fit; the ids get the remaining room, and then the reasons. */
function place({ servers, shown, width, gap }: Room) {
  const all = columnsBetween(servers);
  const longestId = servers.reduce((most, { id }) => Math.max(most, id.length), idColumn.heading.length);
  const leastId = Math.min(longestId, Math.max(16, Math.floor(width * 0.35)));
  let others = all.map(column => ({ column, width: wishOf(column, shown) }));
  const taken = () => others.reduce((sum, placed) => sum + placed.width + gap, 0);
  while (others.length > 0 && leastId + taken() > width) {
    const least = Math.min(...others.map(({ column }) => column.importance));
    others = others.filter(({ column }) => column.importance > least);
  }
  const idWidth = Math.max(1, Math.min(longestId, width - taken()));
  const placed: PlacedColumn[] = [{ column: idColumn, width: idWidth }, ...others];
  const isAll = others.length === all.length;
  const left = width - idWidth - taken() - gap;
  const hasReason = shown.some(server => reasonColumn.text(server) !== '');
  if (hasReason && isAll && left >= leastReason) placed.push({ column: reasonColumn, width: left });
  return { placed, gap, isAll };
}

function wishOf(column: Column, servers: readonly ServerLook[]): number {
  const widths = servers.map(server => widthOf(printable(column.text(server))));
  const wish = Math.max(column.heading.length, column.minWidth ?? 0, ...widths);
  return column.isNumber ? wish : Math.min(wish, widestText);
}

function rowOf(
  server: ServerLook,
  placed: readonly PlacedColumn[],
  { gap, isOld }: { readonly gap: number; readonly isOld: boolean },
): Line {
  return placed.flatMap(({ column, width }, at): Piece[] => {
    const full = printable(column.text(server));
    // The scheme that nearly all servers have is cut first.
    const text = at === 0 && widthOf(full) > width ? full.replace(/^http:\/\//, '') : full;
    const cell = aligned(shortened(text, width), width, column);
    const style = isOld ? 'faint' : column.style?.(server);
    return [
      { text: at === 0 ? '' : ' '.repeat(gap) },
      { text: at === placed.length - 1 ? cell.trimEnd() : cell, style },
    ];
  });
}

function aligned(text: string, width: number, { isNumber }: Column): string {
  const padding = ' '.repeat(Math.max(0, width - widthOf(text)));
  return isNumber ? padding + text : text + padding;
}

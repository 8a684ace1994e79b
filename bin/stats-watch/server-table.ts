// The table of the servers, as wide as the terminal and no longer than there is room.
import { printable } from '../table.ts';
import { type Column, columnsBetween, idColumn, reasonColumn } from './columns.ts';
import { type Line, type Piece, shortened, widthOf } from './line.ts';
import type { ServerLook } from './look.ts';

interface PlacedColumn {
  readonly column: Column;
  readonly width: number;
}

/** No text but ids and reasons gets more than this. */
const widestText = 20;
/** A reason in less than this says nothing. */
const leastReason = 12;

/** A line of headings, and one for each of the first `count` servers. `isOld`: it is not what happens now. */
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

/** Leaves the least important columns out until the others fit; the ids get what is over, and then the reasons. */
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
    // The scheme of nearly all servers is the first that may go.
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

// A column header that sorts its table.
import { Icon } from './icon.tsx';

/** The column that a table is sorted by; `isTurned`: in reverse. */
export interface Order<Column extends string> {
  readonly by: Column;
  readonly isTurned: boolean;
}

/** Choosing a column again reverses its order. */
export function turned<Column extends string>(
  { by, isTurned }: Order<Column>,
  column: Column,
): Order<Column> {
  return { by: column, isTurned: by === column ? !isTurned : false };
}

const names = new Intl.Collator('en', { numeric: true });

/** Sorts by a key: texts from A, numbers ascending. The sort is stable. */
export function sortedBy<T>(
  list: readonly T[],
  key: (item: T) => number | string,
  isTurned: boolean,
): readonly T[] {
  const sign = isTurned ? -1 : 1;
  return list.toSorted((one, other) => {
    const [left, right] = [key(one), key(other)];
    const compared =
      typeof left === 'number' && typeof right === 'number'
        ? left - right
        : names.compare(String(left), String(right));
    return sign * compared;
  });
}

interface SortHeadProps<Column extends string> {
  readonly column: Column;
  readonly title: string;
  readonly order: Order<Column>;
  readonly isNumber?: boolean;
  readonly onSort: (order: Order<Column>) => void;
}

export function SortHead<Column extends string>(props: SortHeadProps<Column>) {
  const { column, title, order, isNumber = false, onSort } = props;
  const sorting = order.by !== column ? 'none' : order.isTurned ? 'descending' : 'ascending';
  return (
    <th scope="col" class={isNumber ? 'number' : ''} aria-sort={sorting}>
      <button type="button" class="sort" onClick={() => onSort(turned(order, column))}>
        {title}
        <Icon name="down" />
      </button>
    </th>
  );
}

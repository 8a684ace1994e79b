// A long list that renders only visible rows.
import type { ComponentChildren } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';

interface VirtualListProps<T> {
  readonly items: readonly T[];
  readonly rowHeight: number;
  readonly row: (item: T, index: number) => ComponentChildren;
}

const spare = 6;

/** Scrolls with the page, as short lists do. */
export function VirtualList<T>({ items, rowHeight, row }: VirtualListProps<T>) {
  const box = useRef<HTMLDivElement>(null);
  const [range, setRange] = useState({ from: 0, to: 40 });
  const measure = (): void => {
    const top = box.current?.getBoundingClientRect().top ?? 0;
    const from = Math.max(0, Math.floor(-top / rowHeight) - spare);
    const to = Math.ceil((innerHeight - top) / rowHeight) + spare;
    setRange(before => (before.from === from && before.to === to ? before : { from, to }));
  };
  useLayoutEffect(measure, [items.length, rowHeight]);
  useEffect(() => {
    addEventListener('scroll', measure, { passive: true });
    addEventListener('resize', measure);
    return () => {
      removeEventListener('scroll', measure);
      removeEventListener('resize', measure);
    };
  }, [rowHeight]);
  const shown = items.slice(range.from, range.to);
  return (
    <div ref={box} class="virtual" role="rowgroup" style={{ height: `${items.length * rowHeight}px` }}>
      <div
        class="virtual-rows"
        role="presentation"
        style={{ top: `${Math.min(range.from, items.length) * rowHeight}px` }}
      >
        {shown.map((item, index) => row(item, range.from + index))}
      </div>
    </div>
  );
}

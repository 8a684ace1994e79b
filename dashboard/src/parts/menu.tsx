// A button that opens a list of actions.
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { Icon } from './icon.tsx';

export interface MenuItem {
  readonly text: string;
  readonly danger?: boolean;
  readonly onPick: () => void;
}

export function Menu({ label, items }: { readonly label: string; readonly items: readonly MenuItem[] }) {
  const button = useRef<HTMLButtonElement>(null);
  const [place, setPlace] = useState<{ top: number; right: number } | undefined>(undefined);
  const open = (): void => {
    const box = button.current?.getBoundingClientRect();
    if (box === undefined) return;
    const height = items.length * 40 + 16;
    const top = box.bottom + height > innerHeight ? Math.max(8, box.top - height) : box.bottom + 4;
    setPlace({ top, right: Math.max(8, innerWidth - box.right) });
  };
  const close = (): void => {
    setPlace(undefined);
    button.current?.focus();
  };
  return (
    <>
      <button
        type="button"
        ref={button}
        class="quiet square"
        aria-label={label}
        aria-haspopup="menu"
        aria-expanded={place !== undefined}
        onClick={() => (place === undefined ? open() : close())}
      >
        <Icon name="more" />
      </button>
      {place !== undefined && <MenuList label={label} items={items} place={place} onClose={close} />}
    </>
  );
}

interface MenuListProps {
  readonly label: string;
  readonly items: readonly MenuItem[];
  readonly place: { readonly top: number; readonly right: number };
  readonly onClose: () => void;
}

function MenuList({ label, items, place, onClose }: MenuListProps) {
  const list = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    list.current?.querySelector('button')?.focus();
    const leave = (event: Event): void => {
      if (!(event.target instanceof Node) || list.current?.contains(event.target) !== true) onClose();
    };
    document.addEventListener('pointerdown', leave);
    addEventListener('resize', onClose);
    return () => {
      document.removeEventListener('pointerdown', leave);
      removeEventListener('resize', onClose);
    };
  }, []);
  const move = (event: KeyboardEvent): void => {
    const buttons: (Element | null)[] = [...(list.current?.querySelectorAll('button') ?? [])];
    const at = buttons.indexOf(document.activeElement);
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const next = step === undefined ? undefined : buttons[(at + step + buttons.length) % buttons.length];
    if (next instanceof HTMLElement) next.focus();
    else if (event.key === 'Escape' || event.key === 'Tab') onClose();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <div
      ref={list}
      class="menu"
      role="menu"
      aria-label={label}
      tabIndex={-1}
      style={{ top: `${place.top}px`, right: `${place.right}px` }}
      onKeyDown={move}
    >
      {items.map(({ text, danger = false, onPick }) => (
        <button
          type="button"
          role="menuitem"
          key={text}
          class={danger ? 'danger' : ''}
          onClick={() => {
            onClose();
            onPick();
          }}
        >
          {text}
        </button>
      ))}
    </div>
  );
}

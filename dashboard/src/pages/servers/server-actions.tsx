// Actions on one server.
import { setState } from '../../data/changes.ts';
import { nameOf, type Server } from '../../data/server.ts';
import { Menu, type MenuItem } from '../../parts/menu.tsx';
import { asked } from './asked.ts';

export function ServerActions({ server }: { readonly server: Server }) {
  const { key, id, state } = server;
  const isOut = state === 'draining' || state === 'disabled';
  const items: MenuItem[] = [
    ...(isOut ? [] : [{ text: 'Disable', onPick: () => void setState([server], 'disabled') }]),
    ...(state === 'disabled' ? [{ text: 'Drain', onPick: () => void setState([server], 'draining') }] : []),
    ...(state === 'draining' ? [{ text: 'Disable', onPick: () => void setState([server], 'disabled') }] : []),
    { text: 'Set weight…', onPick: () => open('weight') },
    { text: 'Details', onPick: () => open('details') },
    { text: 'Remove…', danger: true, onPick: () => open('remove') },
  ];
  const open = (what: 'weight' | 'details' | 'remove'): void => {
    asked.value = { what, keys: [key] };
  };
  return (
    <>
      <button
        type="button"
        class="small"
        aria-label={`${isOut ? 'Enable' : 'Drain'} ${nameOf(id)}`}
        onClick={() => void setState([server], isOut ? 'active' : 'draining')}
      >
        {isOut ? 'Enable' : 'Drain'}
      </button>
      <Menu label={`More for ${nameOf(id)}`} items={items} />
    </>
  );
}

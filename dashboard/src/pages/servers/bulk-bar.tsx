// Actions on all selected servers.
import { setState } from '../../data/changes.ts';
import { plural } from '../../data/format.ts';
import type { Server } from '../../data/server.ts';
import { asked } from './asked.ts';
import { selection } from './selection.ts';

export function BulkBar({ servers }: { readonly servers: readonly Server[] }) {
  const ticked = servers.filter(({ key }) => selection.value.has(key));
  if (ticked.length === 0) return null;
  const keys = ticked.map(({ key }) => key);
  const clear = (): void => {
    selection.value = new Set();
  };
  const set = (state: 'active' | 'draining' | 'disabled') => (): void => {
    void setState(ticked, state);
    clear();
  };
  return (
    <section class="bulk" aria-label="Selected servers">
      <strong>{plural(ticked.length, 'server')} selected</strong>
      <button type="button" onClick={set('draining')}>
        Drain
      </button>
      <button type="button" onClick={set('active')}>
        Enable
      </button>
      <button type="button" onClick={set('disabled')}>
        Disable
      </button>
      <button
        type="button"
        onClick={() => {
          asked.value = { what: 'weight', keys };
        }}
      >
        Set weight…
      </button>
      <button
        type="button"
        class="danger"
        onClick={() => {
          asked.value = { what: 'remove', keys };
        }}
      >
        Remove…
      </button>
      <button type="button" class="quiet" onClick={clear}>
        Clear selection
      </button>
    </section>
  );
}

// The servers of a pool, or of all: their state, and actions on them.
import { computed, effect, signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { countOf, plural } from '../data/format.ts';
import { matchesAll } from '../data/matching.ts';
import { linkTo, page, query } from '../data/place.ts';
import type { Server } from '../data/server.ts';
import { chosenPool, loaded, mostPools, pools, servers } from '../data/servers.ts';
import { mayChange } from '../data/session.ts';
import { FilterBox } from '../parts/filter-box.tsx';
import { Icon } from '../parts/icon.tsx';
import { Empty } from '../parts/missing.tsx';
import { AddServer } from './servers/add-server.tsx';
import { type Asked, asked } from './servers/asked.ts';
import { BulkBar } from './servers/bulk-bar.tsx';
import { RemoveDialog } from './servers/remove-dialog.tsx';
import { selection } from './servers/selection.ts';
import { ServerDetails } from './servers/server-details.tsx';
import { ServerTable } from './servers/server-table.tsx';
import { order, sorted } from './servers/sorting.ts';
import { WeightDialog } from './servers/weight-dialog.tsx';

const filter = signal('');
const onlyDown = signal(false);

// The address has the pool, so that links and Back work.
effect(() => {
  if (page.value !== 'servers') return;
  chosenPool.value = query.value.get('pool') ?? '';
  onlyDown.value = query.value.get('only') === 'down';
  if (query.value.get('sort') === 'errors') order.value = { by: 'errors', isTurned: false };
});

function matches({ id, pool, state, reason, facts }: Server, text: string): boolean {
  const labels = Object.entries(facts?.labels ?? {}).map(([name, value]) => `${name}:${value}`);
  return matchesAll(text, `${pool} ${id}`, [state, reason, facts?.layer ?? '', ...labels].join(' '));
}

const found = computed(() =>
  sorted(
    servers.value.filter(
      server =>
        (chosenPool.value === '' || server.pool === chosenPool.value) &&
        (!onlyDown.value || server.state === 'down') &&
        matches(server, filter.value),
    ),
  ),
);

export function ServersPage() {
  const list = found.value;
  return (
    <>
      <header class="page-head">
        <h1>Servers</h1>
        <Sum />
        {mayChange.value && (
          <button type="button" class="primary" onClick={() => ask({ what: 'add' })}>
            <Icon name="plus" />
            Add server
          </button>
        )}
      </header>
      <Tools />
      {chosenPool.value === '' && pools.value.length > mostPools && (
        <p class="muted">
          These are the first {mostPools} of {countOf(pools.value.length)} pools; choose one to see its
          servers.
        </p>
      )}
      {list.length === 0 ? <Nothing /> : <ServerTable servers={list} withPool={chosenPool.value === ''} />}
      <BulkBar servers={list} />
      <Asking />
    </>
  );
}

const ask = (wish: Asked): void => {
  asked.value = wish;
};

function Sum() {
  const count = { active: 0, down: 0, draining: 0, disabled: 0 };
  for (const { state, pool } of servers.value) {
    if (chosenPool.value === '' || pool === chosenPool.value) count[state]++;
  }
  const parts = [
    `${count.active} active`,
    ...(count.down > 0 ? [`${count.down} down`] : []),
    ...(count.draining > 0 ? [`${count.draining} draining`] : []),
    ...(count.disabled > 0 ? [`${count.disabled} disabled`] : []),
  ];
  return <p class="muted">{loaded.value || servers.value.length > 0 ? parts.join(', ') : 'Loading…'}</p>;
}

function Tools() {
  return (
    <div class="tools">
      <label class="pool-choice">
        <span class="unseen">Pool</span>
        <select
          value={chosenPool.value}
          onChange={({ currentTarget: { value } }) => {
            location.hash = linkTo('servers', value === '' ? {} : { pool: value });
          }}
        >
          <option value="">All pools</option>
          {pools.value.map(({ name, servers: count, available }) => (
            <option key={name} value={name}>
              {name} ({available}/{count})
            </option>
          ))}
        </select>
      </label>
      <FilterBox
        value={filter.value}
        hint="Filter: address, reason, label   ( / )"
        onChange={value => {
          filter.value = value;
        }}
      />
      <label class="check">
        <input
          type="checkbox"
          checked={onlyDown.value}
          onChange={({ currentTarget }) => {
            onlyDown.value = currentTarget.checked;
          }}
        />
        Down only
      </label>
    </div>
  );
}

function Nothing() {
  if (!loaded.value) return <p class="muted">Loading…</p>;
  const all = servers.value.filter(({ pool }) => chosenPool.value === '' || pool === chosenPool.value);
  if (all.length > 0) {
    const isAllUp = onlyDown.value && filter.value === '';
    return (
      <Empty title={isAllUp ? 'No server is down' : 'No server matches'}>
        <p>
          {isAllUp
            ? `Clear “Down only” to see ${plural(all.length, 'server')}.`
            : `None of ${plural(all.length, 'server')} matches the filter.`}
        </p>
      </Empty>
    );
  }
  return (
    <Empty title="No servers yet">
      <p>Add one here, list servers in the config, or let services register themselves:</p>
      <pre>{`curl ${location.host}/servers -d '{"url":"http://10.0.0.7:3000"}'`}</pre>
    </Empty>
  );
}

/** The dialog that is open. */
function Asking() {
  const wish = asked.value;
  const close = (): void => {
    asked.value = undefined;
  };
  const list =
    wish !== undefined && 'keys' in wish ? servers.value.filter(({ key }) => wish.keys.includes(key)) : [];
  useEffect(() => {
    const there = new Set(servers.value.map(({ key }) => key));
    if ([...selection.value].some(key => !there.has(key)))
      selection.value = new Set([...selection.value].filter(key => there.has(key)));
  }, [servers.value]);
  if (wish === undefined) return null;
  if (wish.what === 'add') return <AddServer onClose={close} />;
  if (list.length === 0) return null;
  if (wish.what === 'remove') return <RemoveDialog servers={list} onClose={close} />;
  if (wish.what === 'weight') return <WeightDialog servers={list} onClose={close} />;
  return list[0] === undefined ? null : <ServerDetails server={list[0]} onClose={close} />;
}

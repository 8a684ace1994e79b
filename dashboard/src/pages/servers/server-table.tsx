// The table of servers. Only visible rows are rendered; on a phone each is a card.
import { useEffect, useState } from 'preact/hooks';
import { agoOf, msOf, rateOf, shareOf } from '../../data/format.ts';
import { now } from '../../data/live.ts';
import { nameOf, reasonTextOf, type Server } from '../../data/server.ts';
import { mayChange } from '../../data/session.ts';
import { HistoryStrip } from '../../parts/history-strip.tsx';
import { Icon } from '../../parts/icon.tsx';
import { StateMark } from '../../parts/state-mark.tsx';
import { VirtualList } from '../../parts/virtual-list.tsx';
import { asked } from './asked.ts';
import { selection, tick } from './selection.ts';
import { ServerActions } from './server-actions.tsx';
import { type Column, order, sortBy } from './sorting.ts';

const narrow = matchMedia('(max-width: 899px)');
const heights = { wide: 60, narrow: 172 };

interface ServerTableProps {
  readonly servers: readonly Server[];
  readonly withPool: boolean;
}

export function ServerTable({ servers, withPool }: ServerTableProps) {
  const [isNarrow, setNarrow] = useState(narrow.matches);
  useEffect(() => {
    const look = (): void => setNarrow(narrow.matches);
    narrow.addEventListener('change', look);
    return () => narrow.removeEventListener('change', look);
  }, []);
  return (
    <div
      class={`servers ${mayChange.value ? '' : 'is-read-only'}`}
      role="table"
      aria-label="Servers"
      aria-rowcount={servers.length + 1}
    >
      <div role="rowgroup">
        <Head servers={servers} />
      </div>
      <VirtualList
        items={servers}
        rowHeight={isNarrow ? heights.narrow : heights.wide}
        row={(server, index) => <Row key={server.key} server={server} index={index} withPool={withPool} />}
      />
    </div>
  );
}

const columns: readonly { readonly column: Column; readonly title: string; readonly isNumber: boolean }[] = [
  { column: 'server', title: 'Server', isNumber: false },
  { column: 'state', title: 'State', isNumber: false },
  { column: 'changed', title: 'Last 15 min', isNumber: false },
  { column: 'rate', title: 'Req/s', isNumber: true },
  { column: 'errors', title: 'Errors', isNumber: true },
  { column: 'inFlight', title: 'In flight', isNumber: true },
  { column: 'latency', title: 'p50 / p99', isNumber: true },
  { column: 'weight', title: 'Weight', isNumber: true },
];

function Head({ servers }: { readonly servers: readonly Server[] }) {
  const { by, isTurned } = order.value;
  const keys = servers.map(({ key }) => key);
  const ticked = keys.filter(key => selection.value.has(key)).length;
  return (
    <div class="row head" role="row" aria-rowindex={1}>
      {mayChange.value && (
        <div role="columnheader" class="cell-tick">
          <input
            type="checkbox"
            aria-label="Select all servers"
            checked={ticked > 0 && ticked === keys.length}
            ref={input => {
              if (input !== null) input.indeterminate = ticked > 0 && ticked < keys.length;
            }}
            onChange={({ currentTarget }) => tick(keys, currentTarget.checked)}
          />
        </div>
      )}
      {columns.map(({ column, title, isNumber }) => (
        <div
          key={column}
          role="columnheader"
          class={`cell-${column} ${isNumber ? 'number' : ''}`}
          aria-sort={by !== column ? 'none' : isTurned ? 'descending' : 'ascending'}
        >
          <button type="button" class="sort" onClick={() => sortBy(column)}>
            {title}
            <Icon name="down" />
          </button>
        </div>
      ))}
      <div role="columnheader" class="cell-actions">
        <span class="unseen">Actions</span>
      </div>
    </div>
  );
}

interface RowProps {
  readonly server: Server;
  readonly index: number;
  readonly withPool: boolean;
}

function Row({ server, index, withPool }: RowProps) {
  const { key, id, pool, state, history, rate, errorShare, inFlight, p50, p99, facts } = server;
  const isTicked = selection.value.has(key);
  const open = (): void => {
    asked.value = { what: 'details', keys: [key] };
  };
  return (
    <div
      class={`row ${isTicked ? 'is-ticked' : ''} row-${state}`}
      role="row"
      aria-rowindex={index + 2}
      data-server={id}
    >
      {mayChange.value && (
        <div role="cell" class="cell-tick">
          <input
            type="checkbox"
            aria-label={`Select ${nameOf(id)}`}
            checked={isTicked}
            onChange={({ currentTarget }) => tick([key], currentTarget.checked)}
          />
        </div>
      )}
      <div role="cell" class="cell-server">
        <button type="button" class="link address" title={id} onClick={open}>
          {nameOf(id)}
        </button>
        <small>
          {withPool && <span>{pool}</span>}
          <Origin server={server} />
        </small>
      </div>
      <div role="cell" class="cell-state">
        <StateMark state={state} />
        <small title={server.reason}>{reasonOf(server)}</small>
      </div>
      <div role="cell" class="cell-changed">
        <HistoryStrip history={history} now={now.value} />
      </div>
      <Cell name="rate" title="Req/s" text={rateOf(rate)} />
      <Cell name="errors" title="Errors" text={shareOf(errorShare)} isBad={(errorShare ?? 0) > 0.01} />
      <Cell name="inFlight" title="In flight" text={inFlight === undefined ? '–' : String(inFlight)} />
      <Cell name="latency" title="p50 / p99" text={p50 === undefined ? '–' : `${msOf(p50)} / ${msOf(p99)}`} />
      <Cell name="weight" title="Weight" text={facts === undefined ? '–' : String(facts.weight)} />
      <div role="cell" class="cell-actions">
        {mayChange.value && <ServerActions server={server} />}
      </div>
    </div>
  );
}

interface CellProps {
  readonly name: Column;
  readonly title: string;
  readonly text: string;
  readonly isBad?: boolean;
}

function Cell({ name, title, text, isBad = false }: CellProps) {
  return (
    <div role="cell" class={`cell-${name} number ${isBad ? 'is-bad' : ''}`}>
      <small class="cell-title" aria-hidden="true">
        {title}
      </small>
      {text}
    </div>
  );
}

/** The layer of a server, and how it differs from others. */
function Origin({ server: { facts } }: { readonly server: Server }) {
  if (facts === undefined) return null;
  const changed = Object.keys(facts.overrides ?? {});
  return (
    <>
      <span>{facts.layer}</span>
      {facts.weight !== 1 && <span>weight {facts.weight}</span>}
      {facts.backup === true && <span class="tag">backup</span>}
      {changed.length > 0 && <span class="tag">changed: {changed.join(', ')}</span>}
    </>
  );
}

function reasonOf({ state, reason, inFlight = 0, changedAt }: Server): string {
  if (state === 'draining') return inFlight === 0 ? 'empty' : `${inFlight} in flight`;
  const since = changedAt > 0 && state === 'down' ? ` · ${agoOf(changedAt, now.value)}` : '';
  return `${reasonTextOf(reason)}${since}`;
}

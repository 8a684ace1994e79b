// The routes in order, where they lead, and which one a request would take.
import { signal } from '@preact/signals';
import { useState } from 'preact/hooks';
import { ApiProblem, call, textOf } from '../data/api.ts';
import { useAsked } from '../data/asked.ts';
import { agoOf, countOf, plural, shareOf } from '../data/format.ts';
import { now } from '../data/live.ts';
import { matchesAll } from '../data/matching.ts';
import { linkTo } from '../data/place.ts';
import { pools } from '../data/servers.ts';
import { mayChange } from '../data/session.ts';
import { tell } from '../data/toasts.ts';
import { FilterBox } from '../parts/filter-box.tsx';
import { MissingPlugin } from '../parts/missing.tsx';
import { RequestForm, type ThoughtOf } from '../parts/request-form.tsx';
import { type Order, SortHead, sortedBy } from '../parts/sort-head.tsx';
import { ValueTree } from '../parts/value-tree.tsx';

interface Route {
  readonly name: string;
  readonly host?: unknown;
  readonly path?: unknown;
  readonly method?: unknown;
  readonly pool?: string;
  readonly split?: Readonly<Record<string, number>>;
  readonly redirect?: { readonly to?: string; readonly status?: number } | string;
  readonly reply?: unknown;
  readonly priority?: number;
  readonly layer: string;
  readonly links?: unknown;
  readonly hits?: Hits;
  readonly shadowedBy?: unknown;
  readonly warnings?: readonly string[];
  readonly dangling?: readonly string[];
}

interface RouteList {
  readonly routes: readonly Route[];
  /** `next`: there are more routes. */
  readonly links: readonly { readonly rel: string }[];
}

/** Requests since Weldr started; missing if they are not counted. */
interface Hits {
  readonly success: number;
  readonly failed: number;
  readonly lastAt: number | null;
}

type Column = 'route' | 'pool' | 'layer' | 'hits' | 'errors' | 'last';

const sortKeys: Readonly<Record<Column, (route: Route) => number | string>> = {
  route: ({ name }) => name,
  pool: ({ pool }) => pool ?? '',
  layer: ({ layer }) => layer,
  hits: ({ hits }) => -countAll(hits),
  errors: ({ hits }) => -errorShareOf(hits),
  last: ({ hits }) => -(hits?.lastAt ?? 0),
};

const countAll = (hits: Hits | undefined): number => (hits === undefined ? 0 : hits.success + hits.failed);
const errorShareOf = (hits: Hits | undefined): number => (hits?.failed ?? 0) / (countAll(hits) || 1);

const order = signal<Order<Column>>({ by: 'route', isTurned: false });
const sort = (next: Order<Column>): void => {
  order.value = next;
};

const shownAtOnce = 200;

export function RoutesPage() {
  const { value, isThere, problem, again } = useAsked<RouteList>('/routes?limit=1000');
  const [filter, setFilter] = useState('');
  const all = value?.routes ?? [];
  const isPart = value?.links.some(({ rel }) => rel === 'next');
  const { by, isTurned } = order.value;
  const matching = all.filter(({ links: _, ...route }) =>
    matchesAll(filter, `${route.name} ${route.pool ?? ''}`, JSON.stringify(route)),
  );
  const found = sortedBy(matching, sortKeys[by], isTurned);
  const isCounted = all.some(({ hits }) => hits !== undefined);
  return (
    <>
      <header class="page-head">
        <h1>Routes</h1>
        <p class="muted">
          {value === undefined
            ? ''
            : `${isPart ? 'the first ' : ''}${plural(all.length, 'route')}; of those that match, the narrowest takes the request`}
        </p>
      </header>
      {problem !== '' && <p class="problem">{problem}</p>}
      {isThere === false && (
        <MissingPlugin plugin="routes" gives="rules that route requests to pools, redirects and replies" />
      )}
      {value !== undefined && (
        <>
          <Tester />
          <div class="tools">
            <FilterBox value={filter} onChange={setFilter} hint="Filter: name, host, path, pool" />
          </div>
          <section class="card table-card" aria-label="Routes">
            <table class="routes rows-on-phone">
              <thead>
                <tr>
                  <SortHead column="route" title="Route" order={order.value} onSort={sort} />
                  <th scope="col">Matches</th>
                  <SortHead column="pool" title="Leads to" order={order.value} onSort={sort} />
                  <SortHead column="layer" title="Layer" order={order.value} onSort={sort} />
                  {isCounted && (
                    <>
                      <SortHead column="hits" title="Requests" order={order.value} onSort={sort} isNumber />
                      <SortHead column="errors" title="Errors" order={order.value} onSort={sort} isNumber />
                      <SortHead
                        column="last"
                        title="Last request"
                        order={order.value}
                        onSort={sort}
                        isNumber
                      />
                    </>
                  )}
                </tr>
              </thead>
              <tbody>
                {found.slice(0, shownAtOnce).map(route => (
                  <RouteRow key={route.name} route={route} onChanged={again} />
                ))}
              </tbody>
            </table>
          </section>
          {found.length > shownAtOnce && (
            <p class="muted">{countOf(found.length - shownAtOnce)} more; filter to see them.</p>
          )}
        </>
      )}
    </>
  );
}

function RouteRow({ route, onChanged }: { readonly route: Route; readonly onChanged: () => void }) {
  const { name, method, host, path, priority, layer, hits, warnings = [], dangling = [], shadowedBy } = route;
  const takes = [method, host, path].filter(part => part !== undefined).map(textOfPart);
  const notes = [
    ...warnings,
    ...dangling.map(pool => `there is no pool ${pool}`),
    ...(shadowedBy === undefined
      ? []
      : [`never matches: ${textOfPart(shadowedBy)} takes its requests first`]),
  ];
  return (
    <tr>
      <th scope="row">
        {name}
        {priority !== undefined && priority !== 0 && <small>priority {priority}</small>}
      </th>
      <td data-title="Matches">
        <code>{takes.length === 0 ? 'everything' : takes.join(' ')}</code>
        {notes.map(note => (
          <small key={note} class="is-warning">
            {note}
          </small>
        ))}
      </td>
      <td data-title="Leads to">
        <Target route={route} onChanged={onChanged} />
      </td>
      <td data-title="Layer">{layer}</td>
      {hits !== undefined && (
        <>
          <td class="number" data-title="Requests">
            {mayChange.value ? (
              <a href={linkTo('requests', { route: name })}>
                {countOf(countAll(hits))}
                <span class="unseen"> requests of {name}</span>
              </a>
            ) : (
              countOf(countAll(hits))
            )}
          </td>
          <td data-title="Errors" class={errorShareOf(hits) > 0.01 ? 'number is-bad' : 'number'}>
            {countAll(hits) === 0 ? '–' : shareOf(errorShareOf(hits))}
          </td>
          <td class="number" data-title="Last request">
            {hits.lastAt === null ? 'never' : agoOf(hits.lastAt, now.value)}
          </td>
        </>
      )}
    </tr>
  );
}

const textOfPart = (part: unknown): string =>
  Array.isArray(part)
    ? part.map(textOfPart).join(', ')
    : typeof part === 'string'
      ? part
      : JSON.stringify(part);

function Target({ route, onChanged }: { readonly route: Route; readonly onChanged: () => void }) {
  const { name, pool, split, redirect, reply } = route;
  if (pool !== undefined && mayChange.value) {
    return (
      <select
        aria-label={`Pool of ${name}`}
        value={pool}
        onChange={({ currentTarget }) => void switchTo(name, pool, currentTarget.value).finally(onChanged)}
      >
        {[...new Set([pool, ...pools.value.map(known => known.name)])].map(option => (
          <option key={option}>{option}</option>
        ))}
      </select>
    );
  }
  if (pool !== undefined) return <>{pool}</>;
  if (split !== undefined) {
    const sum = Object.values(split).reduce((all, share) => all + share, 0) || 1;
    const parts = Object.entries(split).map(([to, share]) => `${to} ${Math.round((share / sum) * 100)} %`);
    return <>{parts.join(', ')}</>;
  }
  if (redirect !== undefined) {
    return (
      <>
        redirect to{' '}
        {typeof redirect === 'string' ? redirect : `${redirect.to ?? ''} ${redirect.status ?? ''}`}
      </>
    );
  }
  return <>{reply === undefined ? '–' : `reply ${textOfPart(reply)}`}</>;
}

/** Changes the pool of a route. */
async function switchTo(name: string, before: string, pool: string): Promise<void> {
  const path = `/routes/${encodeURIComponent(name)}`;
  try {
    await call('PATCH', path, { pool });
    tell({
      kind: 'done',
      text: `${name} leads to ${pool}`,
      undo: async () => {
        try {
          await call('PATCH', path, { pool: before });
          tell({ kind: 'done', text: `${name} leads to ${before} again` });
        } catch (thrown) {
          tell({ kind: 'failed', text: `${name} still leads to ${pool}: ${textOf(thrown)}` });
        }
      },
    });
  } catch (thrown) {
    tell({ kind: 'failed', text: `${name} still leads to ${before}: ${textOf(thrown)}` });
  }
}

function Tester() {
  const [answer, setAnswer] = useState<Record<string, unknown> | undefined>(undefined);
  const [problem, setProblem] = useState('');
  const test = async (request: ThoughtOf): Promise<void> => {
    try {
      setAnswer(await call('POST', '/routes/test', request));
      setProblem('');
    } catch (thrown) {
      setAnswer(undefined);
      const isMissing = thrown instanceof ApiProblem && thrown.status === 404;
      setProblem(isMissing ? 'This Weldr cannot test routes.' : textOf(thrown));
    }
  };
  const { route, before: _, beforeCount: __, links: ___, ...rest } = answer ?? {};
  return (
    <>
      <RequestForm action="Find route" withHeaders={false} onSubmit={test} />
      {problem !== '' && (
        <p class="note note-error" role="alert">
          {problem}
        </p>
      )}
      {answer !== undefined && (
        <section class="card" aria-live="polite" aria-label="The matching route">
          <h2>{typeof route === 'string' ? `Route ${route} matches` : 'No route matches'}</h2>
          <ValueTree value={rest} />
        </section>
      )}
    </>
  );
}

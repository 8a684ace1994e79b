// The routes in their order, where they lead, and which one a request would take.
import { useState } from 'preact/hooks';
import { ApiProblem, call, textOf } from '../data/api.ts';
import { useAsked } from '../data/asked.ts';
import { countOf, plural } from '../data/format.ts';
import { pools } from '../data/servers.ts';
import { mayChange } from '../data/session.ts';
import { tell } from '../data/toasts.ts';
import { Icon } from '../parts/icon.tsx';
import { MissingPlugin } from '../parts/missing.tsx';
import { RequestForm, type ThoughtOf } from '../parts/request-form.tsx';
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
  readonly hits?: number;
  readonly shadowedBy?: unknown;
  readonly warnings?: readonly string[];
  readonly dangling?: readonly string[];
}

const shownAtOnce = 200;

export function RoutesPage() {
  const { value, isThere, problem, again } = useAsked<{ routes: Route[] }>('/routes?limit=1000');
  const [filter, setFilter] = useState('');
  const all = value?.routes ?? [];
  const words = filter.toLowerCase().split(/\s+/);
  const found = all.filter(route => words.every(word => JSON.stringify(route).toLowerCase().includes(word)));
  return (
    <>
      <header class="page-head">
        <h1>Routes</h1>
        <p class="muted">
          {value === undefined ? '' : `${plural(all.length, 'route')}, asked in this order`}
        </p>
      </header>
      {problem !== '' && <p class="problem">{problem}</p>}
      {isThere === false && (
        <MissingPlugin plugin="routes" gives="rules which lead requests to pools, redirects and replies" />
      )}
      {value !== undefined && (
        <>
          <Tester />
          <div class="tools">
            <label class="search">
              <Icon name="search" />
              <span class="unseen">Filter</span>
              <input
                type="search"
                placeholder="Filter: a name, a host, a path, a pool"
                value={filter}
                onInput={({ currentTarget }) => setFilter(currentTarget.value)}
              />
            </label>
          </div>
          <section class="card table-card" aria-label="Routes">
            <table class="routes">
              <thead>
                <tr>
                  <th scope="col">Route</th>
                  <th scope="col">Takes</th>
                  <th scope="col">Leads to</th>
                  <th scope="col">From</th>
                  <th scope="col">Hits</th>
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
    ...dangling.map(pool => `${pool} is not there`),
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
      <td>
        <code>{takes.length === 0 ? 'everything' : takes.join(' ')}</code>
        {notes.map(note => (
          <small key={note} class="is-warning">
            {note}
          </small>
        ))}
      </td>
      <td>
        <Target route={route} onChanged={onChanged} />
      </td>
      <td>{layer === 'config' ? 'config' : layer}</td>
      <td class="number">{hits === undefined ? '–' : countOf(hits)}</td>
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

/** Leads a route to another pool. */
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
      <RequestForm action="Which route?" withHeaders={false} onSubmit={test} />
      {problem !== '' && (
        <p class="note note-error" role="alert">
          {problem}
        </p>
      )}
      {answer !== undefined && (
        <section class="card" aria-live="polite" aria-label="The route that is taken">
          <h2>
            {typeof route === 'string'
              ? `The route ${route} takes it`
              : 'No route takes it: it goes to the pool default'}
          </h2>
          <ValueTree value={rest} />
        </section>
      )}
    </>
  );
}

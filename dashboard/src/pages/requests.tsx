// Requests as they end: the outcome of each, the server, and the time.
import { computed, signal } from '@preact/signals';
import { useEffect, useState } from 'preact/hooks';
import type { Explanation, Step } from '../data/explained.ts';
import { msOf, plural, timeOf } from '../data/format.ts';
import { linkTo, query } from '../data/place.ts';
import { nameOf, reasonTextOf } from '../data/server.ts';
import { pools } from '../data/servers.ts';
import { mayChange } from '../data/session.ts';
import {
  followRequests,
  isSample,
  type SeenRequest,
  seen,
  type TraceFilter,
  traceProblem,
} from '../data/traced.ts';
import { Icon } from '../parts/icon.tsx';
import { Empty } from '../parts/missing.tsx';
import { Steps } from '../parts/steps.tsx';

const isPaused = signal(false);
const isSlowestFirst = signal(false);

/** The address has the filter, so that other pages can link to it. */
const filter = computed<TraceFilter>(() => Object.fromEntries(query.value));

export function RequestsPage() {
  if (!mayChange.value) {
    return (
      <>
        <header class="page-head">
          <h1>Requests</h1>
        </header>
        <Empty title="Only operators see requests">
          <p>You have signed in with the read-only token, which does not show what clients request.</p>
        </Empty>
      </>
    );
  }
  return <LiveRequests />;
}

function LiveRequests() {
  const wanted = filter.value;
  const paused = isPaused.value;
  useEffect(() => (paused ? undefined : followRequests(wanted)), [JSON.stringify(wanted), paused]);
  const list = isSlowestFirst.value ? seen.value.toSorted((one, other) => other.ms - one.ms) : seen.value;
  return (
    <>
      <header class="page-head">
        <h1>Requests</h1>
        <p class="muted">as they end; workers record them only while this page is open</p>
        <button
          type="button"
          onClick={() => {
            isPaused.value = !paused;
          }}
        >
          {paused ? 'Resume' : 'Pause'}
        </button>
      </header>
      <Filter wanted={wanted} />
      {traceProblem.value !== '' && (
        <p class="note note-error" role="alert">
          <Icon name="warning" />
          <span>{traceProblem.value}</span>
        </p>
      )}
      <p class="muted" role="status">
        {statusOf(list.length, paused)}
      </p>
      {list.length > 0 && (
        <ol class="card requests" aria-label="Requests">
          {list.map(request => (
            <RequestItem key={request.number} request={request} />
          ))}
        </ol>
      )}
    </>
  );
}

function statusOf(count: number, paused: boolean): string {
  if (count === 0) return paused ? 'Paused.' : 'Waiting for requests…';
  const shown = `The last ${plural(count, 'request')}`;
  if (paused) return `${shown}. Paused.`;
  return isSample.value ? `${shown}, a sample: at most 100 every 2 s.` : `${shown}.`;
}

const statuses = ['2xx', '3xx', '4xx', '5xx'];
const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS'];

function Filter({ wanted }: { readonly wanted: TraceFilter }) {
  const put = (name: keyof TraceFilter, value: string): void => {
    const { [name]: _, ...others } = wanted;
    const text = value.trim();
    location.hash = linkTo('requests', text === '' ? others : { ...others, [name]: text });
  };
  const text = (name: keyof TraceFilter, title: string, hint: string) => (
    <label key={name}>
      {title}
      <input
        type="search"
        placeholder={hint}
        spellcheck={false}
        value={wanted[name] ?? ''}
        onChange={({ currentTarget }) => put(name, currentTarget.value)}
      />
    </label>
  );
  const choice = (name: keyof TraceFilter, title: string, options: readonly string[]) => (
    <label key={name}>
      {title}
      <select value={wanted[name] ?? ''} onChange={({ currentTarget }) => put(name, currentTarget.value)}>
        <option value="">All</option>
        {[...new Set([...options, ...(wanted[name] === undefined ? [] : [wanted[name]])])].map(option => (
          <option key={option} value={option}>
            {option}
          </option>
        ))}
      </select>
    </label>
  );
  const isFiltered = Object.keys(wanted).length > 0;
  return (
    <form
      class="card request-filter"
      aria-label="Filter"
      onSubmit={event => {
        event.preventDefault();
      }}
    >
      {text('host', 'Host', 'shop.example')}
      {text('path', 'Path', '/api/*')}
      {choice('method', 'Method', methods)}
      {choice('status', 'Status', statuses)}
      {text('route', 'Route', 'any')}
      {choice(
        'pool',
        'Pool',
        pools.value.map(({ name }) => name),
      )}
      {text('server', 'Server', '10.0.0.7:3000')}
      <label>
        Order
        <select
          value={isSlowestFirst.value ? 'slowest' : 'newest'}
          onChange={({ currentTarget }) => {
            isSlowestFirst.value = currentTarget.value === 'slowest';
          }}
        >
          <option value="newest">Newest first</option>
          <option value="slowest">Slowest first</option>
        </select>
      </label>
      {isFiltered && (
        <a class="clear" href={linkTo('requests')}>
          Show all
        </a>
      )}
    </form>
  );
}

function RequestItem({ request }: { readonly request: SeenRequest }) {
  const { method, url, route, pool, response, ms, steps, at } = request;
  // Rendered on demand: hundreds of rows have some twenty steps each.
  const [isOpen, setOpen] = useState(false);
  const attempts = steps.filter(({ word }) => word === 'sent');
  const isBad = response.status === 0 || response.status >= 500;
  return (
    <li>
      <details class="request" onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
        <summary>
          <span class={isBad ? 'code is-bad' : 'code'}>{response.status || 'none'}</span>
          <span class="asked" title={url}>
            <b>{method}</b> {placeOf(url)}
          </span>
          <span class="answered">
            {answeredBy(request)}
            <small>
              {[...(route === undefined ? [] : [`route ${route}`]), `pool ${pool}`].join(' → ')}
              {attempts.length > 1 && <b class="is-warning"> · {attempts.length} attempts</b>}
            </small>
          </span>
          <span class="took">
            {msOf(ms)}
            <small>
              <time dateTime={new Date(at).toISOString()}>{timeOf(at)}</time>
            </small>
          </span>
        </summary>
        {isOpen && <RequestMore request={request} attempts={attempts} />}
      </details>
    </li>
  );
}

interface RequestMoreProps {
  readonly request: SeenRequest;
  readonly attempts: readonly Step[];
}

function RequestMore({ request, attempts }: RequestMoreProps) {
  const { url, clientIp, worker, response, steps } = request;
  return (
    <div class="request-more">
      <p class="muted">
        {url} · from {clientIp}
        {worker === undefined ? '' : ` · worker ${worker}`}
        {response.why === undefined ? '' : ` · ${response.why}`}
      </p>
      <ul class="attempts" aria-label="Attempts">
        {attempts.map((attempt, index) => (
          <li key={index}>{attemptOf(attempt)}</li>
        ))}
      </ul>
      <Steps steps={steps} />
    </div>
  );
}

/** Without the scheme. */
const placeOf = (url: string): string => url.replace(/^https?:\/\//, '');

function answeredBy({ response: { by, plugin }, server }: Explanation): string {
  if (by === 'upstream') return server === undefined ? 'a server' : nameOf(server);
  return by === 'plugin' ? (plugin ?? 'a plugin') : 'Weldr';
}

function attemptOf({ server = '', status, why, ms }: Step): string {
  const end = status !== undefined ? `answered ${status}` : reasonTextOf(why ?? 'no answer');
  return `${nameOf(server)} ${end} in ${msOf(ms)}`;
}

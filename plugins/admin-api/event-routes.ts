// EventRoutes: GET /events, as a list or a stream; GET /overview; GET /overview/servers.
import { WeldrError } from '../../core/errors.ts';
import type { WeldrEvent } from '../../core/events/event.ts';
import type { AdminAnswer, AdminRequest, AdminRoutes } from '../../core/plugin/admin.ts';
import type { ManagerSide } from '../../core/plugin/plugin.ts';
import { allPools, EventFeed } from './event-feed.ts';
import { EventFilter } from './event-filter.ts';
import { type OverviewMemory, Overviews } from './overviews.ts';

const defaultLimit = 100;
const maxLimit = 1_000;

/** Adds these routes. */
export function addEventRoutes(admin: AdminRoutes, side: ManagerSide, memory: OverviewMemory): void {
  const overviews = new Overviews(side, memory);
  const feed = new EventFeed(side.events, overviews);
  admin.add({
    method: 'GET',
    path: '/events',
    rel: 'events',
    summary: 'Events; with Accept: text/event-stream as they happen',
    query: {
      since: 'Only events after this id',
      limit: `The most events, default ${defaultLimit}, at most ${maxLimit}`,
      type: 'Only these types or groups of types, such as server,worker.died',
      pool: 'Only of this pool',
      overview: 'In a stream: the overview every 2 s, as event overview',
      servers:
        'In a stream: the servers of this pool every 2 s, as event servers; *: of all pools, first all, then changes',
    },
    streams: true,
    answers: { 200: 'Events, oldest first', 503: 'There are too many streams' },
    handle: request => (request.stream === undefined ? listOf(request, side) : streamOf(request, side, feed)),
  });
  admin.add({
    method: 'GET',
    path: '/overview',
    rel: 'overview',
    summary: 'The state of Weldr now, current problems, and the traffic of the last 15 minutes',
    answers: { 200: 'The overview' },
    handle: () => ({ status: 200, body: overviews.whole }),
  });
  admin.add({
    method: 'GET',
    path: '/overview/servers',
    rel: 'overview-servers',
    summary: 'The current state and traffic of each server of a pool',
    query: { pool: 'The pool; default: default' },
    answers: { 200: 'Its servers', 404: 'There is no such pool' },
    handle({ query }) {
      const pool = query.get('pool') ?? 'default';
      const text = overviews.serversText(pool);
      if (text === undefined) throw noPool(pool);
      return { status: 200, contentType: 'application/json', body: `${text}\n` };
    },
  });
}

function listOf({ query }: AdminRequest, { events }: ManagerSide): AdminAnswer {
  const filter = new EventFilter(query);
  const limit = limitOf(query) ?? defaultLimit;
  const since = idOf(query.get('since'), 'since');
  const { events: known, gap } =
    since === undefined ? { events: events.all, gap: false } : events.after(since);
  const wanted = known.filter(event => filter.matches(event));
  const shown = since === undefined ? wanted.slice(-limit) : wanted.slice(0, limit);
  const next = new URLSearchParams(query);
  next.set('since', String(nextOf(shown, wanted, events.last)));
  return {
    status: 200,
    body: {
      events: shown,
      first: events.all[0]?.id ?? null,
      last: events.last,
      gap,
      links: [{ rel: 'next', href: `/events?${next}`, method: 'GET' }],
    },
  };
}

/** Events that the filter skipped need not be looked at again. */
function nextOf(shown: readonly WeldrEvent[], wanted: readonly WeldrEvent[], last: number): number {
  const newest = shown.at(-1);
  return newest === undefined || newest === wanted.at(-1) ? last : newest.id;
}

function streamOf({ query, stream }: AdminRequest, side: ManagerSide, feed: EventFeed): AdminAnswer {
  const { events, pools } = side;
  const filter = new EventFilter(query);
  const limit = limitOf(query);
  const servers = query.get('servers') ?? undefined;
  if (servers !== undefined && servers !== allPools && pools.counts(servers) === undefined) {
    throw noPool(servers);
  }
  const resumed = idOf(stream?.lastEventId, 'Last-Event-ID') ?? idOf(query.get('since'), 'since');
  const after = resumed ?? lastOnes(events.all, filter, limit ?? 0) ?? events.last;
  // A switch like those of `query-switch.ts`, which is in another chunk of the bundle.
  const overview = ![null, 'false', '0'].includes(query.get('overview'));
  const wish = { after, filter, overview, servers };
  return { status: 200, body: undefined, stream: out => feed.begin(out, wish) };
}

/** Returns the event after which the last `limit` matching events begin; undefined: none match. */
function lastOnes(all: readonly WeldrEvent[], filter: EventFilter, limit: number): number | undefined {
  const wanted = limit === 0 ? [] : all.filter(event => filter.matches(event)).slice(-limit);
  const [first] = wanted;
  return first === undefined ? undefined : first.id - 1;
}

function noPool(pool: string): WeldrError {
  return new WeldrError('NOT_FOUND', `there is no pool ${JSON.stringify(pool).slice(0, 200)}`);
}

function idOf(text: string | null | undefined, field: string): number | undefined {
  if (text === null || text === undefined || text === '') return undefined;
  const id = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(id)) return id;
  const problem = `${field}: expected the id of an event, a whole number, got ${JSON.stringify(text).slice(0, 100)}`;
  throw new WeldrError('INPUT_INVALID', problem, { field });
}

function limitOf(query: URLSearchParams): number | undefined {
  const text = query.get('limit');
  if (text === null) return undefined;
  const limit = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  if (limit >= 1 && limit <= maxLimit) return limit;
  const problem = `limit: expected a number from 1 to ${maxLimit}, got ${JSON.stringify(text).slice(0, 100)}`;
  throw new WeldrError('INPUT_INVALID', problem, { field: 'limit' });
}

// What keeps the page up to date: one stream of events; where Weldr has none, questions every two seconds.
import { effect, signal } from '@preact/signals';
import { ApiProblem, apiPath, find } from './api.ts';
import { type Counted, Counts } from './counts.ts';
import { addEvents, changeOf, type WeldrEvent } from './events.ts';
import {
  type History,
  noHistory,
  type Overview,
  type PoolOverview,
  type Problem,
  type Traffic,
  withPoint,
} from './overview.ts';
import { page } from './place.ts';
import { keyOf, reasonTextOf, type ServerNumbers, type ServerState } from './server.ts';
import {
  chosenPool,
  type Known,
  loadServers,
  noteAdded,
  noteChange,
  noteStart,
  noteState,
  pools,
  servers,
  takeChanges,
  takeNumbers,
  takeStates,
} from './servers.ts';
import { session } from './session.ts';
import { toasts } from './toasts.ts';

const everyMs = 2000;
/** Servers are loaded anew so often, as not all of what is shown of them comes by the stream. */
const loadEveryMs = 10_000;
/** A stream that is silent for so long is lost, though nothing says so. */
const silentMs = 8000;

export type Connection = 'connecting' | 'live' | 'lost';

export const connection = signal<Connection>('connecting');
export const overview = signal<Overview | undefined>(undefined);
export const history = signal<History>(noHistory);
/** Does this Weldr count requests? */
export const counts = signal(true);
/** The time, for what is told as "ago". */
export const now = signal(Date.now());

/** One entry of `GET /overview/servers`. */
interface ServerOverview {
  readonly id: string;
  readonly state: ServerState;
  readonly reason: string;
  readonly since: number | null;
  readonly traffic: Traffic | null;
}

interface ServersOverview {
  readonly at: number;
  readonly pool: string;
  readonly servers: readonly ServerOverview[];
}

let stream: EventSource | undefined;
let lastHeard = 0;
let lastId = 0;
let retry = 0;
let hasStream = true;
let started = false;
let loading: ReturnType<typeof setTimeout> | undefined;
const rates = new Counts();
/** Events that are not taken yet. */
const arrived: WeldrEvent[] = [];
const togetherMs = 100;

/** Begins; from then on it goes by whether somebody is signed in. */
export function startLive(): void {
  if (started) return;
  started = true;
  setInterval(tick, everyMs);
  setInterval(() => loadSoon(0), loadEveryMs);
  effect(() => {
    const isIn = session.value?.signedIn === true;
    chosenPool.value;
    if (!isIn) {
      stop();
      return;
    }
    if (!hasStream) loadSoon(0);
    restart();
  });
  effect(() => {
    if (page.value === 'servers') tick();
  });
  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'visible') tick();
  });
}

/** Loads the servers anew in a moment, once for many wishes. */
export function loadSoon(afterMs = 300): void {
  if (session.peek()?.signedIn !== true || document.visibilityState === 'hidden') return;
  clearTimeout(loading);
  loading = setTimeout(() => void loadServers().catch(noteFailure), afterMs);
}

function noteFailure(thrown: unknown): void {
  if (thrown instanceof ApiProblem && thrown.status === 0) connection.value = 'lost';
}

function stop(): void {
  stream?.close();
  stream = undefined;
  overview.value = undefined;
  connection.value = 'connecting';
}

/** Every two seconds. */
function tick(): void {
  now.value = Date.now();
  if (session.peek()?.signedIn !== true) return;
  if (hasStream && stream !== undefined && Date.now() - lastHeard > silentMs) {
    connection.value = 'lost';
    restart();
  }
  if (document.visibilityState === 'hidden') return;
  if (!hasStream || isAllShown()) void poll().catch(noteFailure);
}

/** Are servers of several pools looked at? The stream tells of one; each question costs the workers a little. */
function isAllShown(): boolean {
  const isDraining = toasts.peek().some(({ kind }) => kind === 'draining');
  return chosenPool.peek() === '' && (page.peek() === 'servers' || isDraining);
}

// --- the stream ----------------------------------------------------------------------------------------------------

function restart(): void {
  if (!hasStream) {
    void poll().catch(noteFailure);
    return;
  }
  void begin().catch(noteFailure);
}

async function begin(): Promise<void> {
  stream?.close();
  stream = undefined;
  lastHeard = Date.now();
  const found = await find<Overview>('/overview');
  if (found === undefined) {
    hasStream = false;
    loadSoon(0);
    return await poll();
  }
  takeOverview(found);
  noteStart(found.startedAt);
  if (found.history) history.value = found.history;
  if (lastId === 0) await loadEvents();
  loadSoon(0);
  listen();
}

async function loadEvents(): Promise<void> {
  const found = await find<{ events: WeldrEvent[]; last?: number }>('/events?limit=1000');
  if (found === undefined) return;
  noteEvents(found.events);
  addEvents(found.events);
  lastId = found.events.at(-1)?.id ?? found.last ?? 0;
}

function listen(): void {
  const pool = chosenPool.peek();
  const parameters = new URLSearchParams({ overview: '' });
  if (pool !== '') parameters.set('servers', pool);
  if (lastId > 0) parameters.set('since', String(lastId));
  stream?.close();
  const opened = new EventSource(apiPath(`/events?${parameters}`));
  stream = opened;
  const on = <T>(name: string, take: (data: T) => void): void =>
    opened.addEventListener(name, ({ data }: MessageEvent<string>) => {
      if (stream !== opened) return;
      heard();
      take(JSON.parse(data));
    });
  on<WeldrEvent>('message', event => {
    lastId = Math.max(lastId, event.id);
    if (arrived.push(event) === 1) setTimeout(takeArrived, togetherMs);
  });
  on<Overview>('overview', takeOverview);
  on<ServersOverview>('servers', takeServers);
  on('hello', () => {});
  on('gap', () => {
    lastId = 0;
    loadSoon();
    void loadEvents().catch(noteFailure);
  });
  opened.onerror = () => {
    if (stream !== opened) return;
    connection.value = 'lost';
    // The browser comes back by itself, unless it was refused.
    if (opened.readyState !== EventSource.CLOSED) return;
    retry = Math.min(retry + 1, 5);
    setTimeout(() => stream === opened && restart(), 1000 * retry * (0.5 + Math.random()));
  };
}

function heard(): void {
  lastHeard = Date.now();
  retry = 0;
  if (connection.value !== 'live') loadSoon();
  connection.value = 'live';
}

/** When a network fails, a thousand events come at once. */
function takeArrived(): void {
  const list = arrived.splice(0);
  noteEvents(list);
  addEvents(list);
  if (list.some(({ type }) => /^(?:server|pool|reload|upgrade)\./.test(type))) loadSoon();
}

function noteEvents(list: readonly WeldrEvent[]): void {
  takeChanges(list.flatMap(event => noteEvent(event) ?? []));
}

/** The state that it tells of a server, if it does. */
function noteEvent(event: WeldrEvent): Known | undefined {
  const { pool, server, at, type, reason = '' } = event;
  if (pool === undefined || server === undefined) return undefined;
  if (type === 'server.added') noteAdded(pool, server, at);
  const change = changeOf(event);
  if (change === undefined) return undefined;
  noteChange(pool, server, at, change.from, change.to);
  return { pool, id: server, state: change.to, reason };
}

function takeOverview(next: Overview): void {
  const { history: _, ...rest } = next;
  overview.value = rest;
  counts.value = next.traffic !== null;
  if (next.traffic !== null) history.value = withPoint(history.value, next.at, next.traffic);
  heard();
}

function takeServers({ at, pool, servers: list }: ServersOverview): void {
  for (const { id, since, state } of list) if (since !== null) noteState(pool, id, { at: since, state });
  takeStates(
    list.map(({ id, state, reason }) => ({ pool, id, state, reason })),
    pool,
    at,
  );
  takeNumbers(
    new Map(
      list.flatMap(({ id, traffic }): [string, ServerNumbers][] =>
        traffic === null ? [] : [[keyOf(pool, id), traffic]],
      ),
    ),
  );
}

// --- questions -----------------------------------------------------------------------------------------------------

async function poll(): Promise<void> {
  const list = await find<Counted[]>('/stats/detail');
  counts.value = list !== undefined;
  if (list === undefined) loadSoon();
  const at = Date.now();
  if (list !== undefined) {
    const chosen = chosenPool.peek();
    const shown = chosen === '' ? list : list.filter(({ pool }) => pool === chosen);
    takeStates(shown, undefined, at);
    takeNumbers(rates.take(list, at));
  }
  if (hasStream) return;
  if (connection.value === 'lost') loadSoon();
  connection.value = 'live';
  const made = ownOverview(at);
  overview.value = made;
  if (made.traffic !== null) history.value = withPoint(history.value, at, made.traffic);
}

/** An overview of what the page knows itself. */
function ownOverview(at: number): Overview {
  const list = servers.value;
  const byPool = Map.groupBy(list, ({ pool }) => pool);
  const made: PoolOverview[] = pools.value.map(({ name, servers: count, available }) => {
    const own = byPool.get(name) ?? [];
    const stateCount = (state: ServerState): number => own.filter(server => server.state === state).length;
    const states = {
      active: stateCount('active'),
      down: stateCount('down'),
      draining: stateCount('draining'),
      disabled: stateCount('disabled'),
    };
    return { name, servers: count, available, states, traffic: trafficOf(own) };
  });
  const problems = made.flatMap(({ name, servers: count, states: { down } }): Problem[] => {
    if (down === 0) return [];
    const ill = (byPool.get(name) ?? []).filter(({ state }) => state === 'down');
    const reasons = [...new Set(ill.map(({ reason }) => reasonTextOf(reason)))].slice(0, 2).join('; ');
    const which = count === 1 ? 'the only server' : `${down} of ${count} servers`;
    return [
      {
        severity: down === count ? 'error' : 'warning',
        text: `${which} of ${name} down: ${reasons}`,
        pool: name,
        servers: ill.map(({ id }) => id),
      },
    ];
  });
  const worst = problems.some(({ severity }) => severity === 'error') ? 'error' : 'warning';
  const traffic = counts.value ? trafficOf(list) : null;
  return { at, status: problems.length === 0 ? 'ok' : worst, problems, traffic, pools: made };
}

function trafficOf(list: readonly ServerNumbers[]): Traffic | null {
  let [rate, bad, inFlight, known] = [0, 0, 0, false];
  const medians: number[] = [];
  const tails: number[] = [];
  for (const server of list) {
    known ||= server.rate !== undefined;
    rate += server.rate ?? 0;
    bad += (server.rate ?? 0) * (server.errorShare ?? 0);
    inFlight += server.inFlight ?? 0;
    if (typeof server.p50 === 'number') medians.push(server.p50);
    if (typeof server.p99 === 'number') tails.push(server.p99);
  }
  if (!known) return null;
  const p50 = medians.length === 0 ? null : medians.reduce((sum, one) => sum + one, 0) / medians.length;
  const p99 = tails.length === 0 ? null : Math.max(...tails);
  return { rate, errorShare: rate === 0 ? 0 : bad / rate, p50, p95: null, p99, inFlight };
}

// Keeps the page up to date from one stream, which costs the workers nothing however many pages are open.
import { computed, effect, signal } from '@preact/signals';
import { ApiProblem, apiPath, find } from './api.ts';
import { addEvents, changeOf, type WeldrEvent } from './events.ts';
import { type History, noHistory, type Overview, type Traffic, withPoint } from './overview.ts';
import { page } from './place.ts';
import { keyOf, type ServerNumbers, type ServerState } from './server.ts';
import {
  chosenPool,
  type Known,
  loadPools,
  loadServers,
  noteAdded,
  noteChange,
  noteStart,
  noteState,
  takeChanges,
  takeNumbers,
  takeSome,
  takeStates,
} from './servers.ts';
import { session } from './session.ts';
import { toasts } from './toasts.ts';

const everyMs = 2000;
/** How often servers are reloaded, because the stream does not carry all their facts. */
const loadEveryMs = 30_000;
/** A stream that is silent for this long counts as lost. */
const silentMs = 8000;

export type Connection = 'connecting' | 'live' | 'lost';

export const connection = signal<Connection>('connecting');
export const overview = signal<Overview | undefined>(undefined);
export const history = signal<History>(noHistory);
/** Whether this Weldr counts requests. */
export const counts = signal(true);
/** The time, for texts with "ago". */
export const now = signal(Date.now());

/** One entry of `GET /overview/servers`. */
interface ServerOverview {
  readonly id: string;
  readonly state: ServerState;
  readonly reason: string;
  readonly since: number | null;
  readonly traffic: Traffic | null;
}

/** The servers of one pool, or of all: then each names its pool, and messages after the first contain only changes. */
interface ServersOverview {
  readonly at: number;
  readonly pool: string;
  readonly whole?: boolean;
  readonly servers: readonly (ServerOverview & { readonly pool?: string })[];
  readonly gone?: readonly { readonly pool: string; readonly id: string }[];
}

const allPools = '*';
/** The pool whose servers the stream carries, because they are shown or being drained; empty: none. */
const followed = computed(() => {
  const isDraining = toasts.value.some(({ kind }) => kind === 'draining');
  return page.value === 'servers' || isDraining ? chosenPool.value || allPools : '';
});

let stream: EventSource | undefined;
let lastHeard = 0;
let lastId = 0;
let retry = 0;
let started = false;
/** Whether the data from before the stream is being loaded. */
let beginning = false;
let loading: ReturnType<typeof setTimeout> | undefined;
/** Events that are not processed yet. */
const arrived: WeldrEvent[] = [];
const togetherMs = 100;

/** Starts the updates, which then follow whether a user is signed in. */
export function startLive(): void {
  if (started) return;
  started = true;
  setInterval(tick, everyMs);
  setInterval(() => loadSoon(0), loadEveryMs);
  effect(() => {
    if (session.value?.signedIn === true) restart();
    else stop();
  });
  effect(() => {
    followed.value;
    // Before the first stream, the last event is unknown.
    if (stream === undefined) return;
    listen();
    loadSoon(0);
  });
  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState !== 'visible') return;
    tick();
    loadSoon(0);
  });
}

/** Reloads the servers soon, once for many calls. */
export function loadSoon(afterMs = 300): void {
  if (session.peek()?.signedIn !== true || document.visibilityState === 'hidden') return;
  clearTimeout(loading);
  const load = followed.peek() === '' ? loadPools : loadServers;
  loading = setTimeout(() => void load().catch(noteFailure), afterMs);
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
  if (beginning || (stream !== undefined && Date.now() - lastHeard <= silentMs)) return;
  if (stream !== undefined) connection.value = 'lost';
  restart();
}

// --- the stream ----------------------------------------------------------------------------------------------------

function restart(): void {
  beginning = true;
  void begin()
    .catch(noteFailure)
    .finally(() => {
      beginning = false;
    });
}

async function begin(): Promise<void> {
  stream?.close();
  stream = undefined;
  lastHeard = Date.now();
  const found = await find<Overview>('/overview');
  if (found === undefined) return;
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
  const pool = followed.peek();
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
    // The browser reconnects automatically, unless it was refused.
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

/** Processes events together: when a network fails, a thousand arrive at once. */
function takeArrived(): void {
  const list = arrived.splice(0);
  noteEvents(list);
  addEvents(list);
  if (list.some(changesFacts)) loadSoon();
}

/** Returns whether the event changes more of a server than the stream carries. */
function changesFacts(event: WeldrEvent): boolean {
  const change = changeOf(event);
  if (change === undefined) return /^(?:server|pool|reload|upgrade)\./.test(event.type);
  return [change.from, change.to].some(state => state === 'draining' || state === 'disabled');
}

function noteEvents(list: readonly WeldrEvent[]): void {
  takeChanges(list.flatMap(event => noteEvent(event) ?? []));
}

/** The state of a server in an event, if there is one. */
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

function takeServers({ at, pool, whole = true, servers: list, gone = [] }: ServersOverview): void {
  const known = list.map(
    ({ pool: own = pool, id, state, reason }): Known => ({ pool: own, id, state, reason }),
  );
  for (const { pool: own = pool, id, since, state } of list) {
    if (since !== null) noteState(own, id, { at: since, state });
  }
  if (whole) takeStates(known, pool === allPools ? undefined : pool, at);
  else takeSome(known, gone, at);
  takeNumbers(
    new Map(
      list.flatMap(({ pool: own = pool, id, traffic }): [string, ServerNumbers][] =>
        traffic === null ? [] : [[keyOf(own, id), traffic]],
      ),
    ),
  );
}

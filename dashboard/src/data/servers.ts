// All servers that the page knows: facts, states and numbers combined.
import { computed, signal } from '@preact/signals';
import { call, find } from './api.ts';
import type { Server, ServerFacts, ServerNumbers, ServerState, StateSince } from './server.ts';
import { keyOf } from './server.ts';

/** The most pools loaded when all are shown. */
export const mostPools = 50;
/** The most changes of state kept for a server. */
const mostChanges = 60;

/** A server and its state. */
export interface Known {
  readonly pool: string;
  readonly id: string;
  readonly state: ServerState;
  readonly reason: string;
}

export interface PoolFacts {
  readonly name: string;
  readonly servers: number;
  readonly available: number;
}

/** The pool that is shown; empty: all. */
export const chosenPool = signal('');
export const pools = signal<readonly PoolFacts[]>([]);
/** Whether the servers have been loaded. */
export const loaded = signal(false);

const facts = signal<ReadonlyMap<string, ServerFacts>>(new Map());
const states = signal<ReadonlyMap<string, Known>>(new Map());
const numbers = signal<ReadonlyMap<string, ServerNumbers>>(new Map());
const histories = new Map<string, StateSince[]>();
/** When servers were added after the start, by key. */
const addedAt = new Map<string, number>();
/** When Weldr started, which is when states without an event began. */
let startedAt: number | undefined;

export const servers = computed<readonly Server[]>(() =>
  [...states.value.values()].map(({ pool, id, state, reason }) => {
    const key = keyOf(pool, id);
    const history = histories.get(key) ?? [];
    const found = facts.value.get(key);
    return {
      key,
      id,
      pool,
      state,
      reason,
      history,
      changedAt: history.length > 1 ? (history.at(-1)?.at ?? 0) : 0,
      ...(found !== undefined && { facts: found }),
      ...numbers.value.get(key),
    };
  }),
);

/** Notes a state that is observed now, or in an event. */
export function noteState(pool: string, id: string, { at, state }: StateSince): void {
  const key = keyOf(pool, id);
  const history = histories.get(key) ?? [];
  histories.set(key, history);
  const place = history.findLastIndex(known => known.at <= at);
  if (history[place]?.state === state) return;
  history.splice(place + 1, 0, { at, state });
  const after = history[place + 2];
  if (after?.state === state) history.splice(place + 2, 1);
  if (history.length > mostChanges) history.shift();
}

/** Notes a change from an event: the new state, and the one before. */
export function noteChange(
  pool: string,
  id: string,
  at: number,
  from: ServerState,
  state: ServerState,
): void {
  const begin = beginOf(keyOf(pool, id));
  if (
    begin !== undefined &&
    begin < at &&
    histories.get(keyOf(pool, id))?.some(known => known.at < at) !== true
  )
    noteState(pool, id, { at: begin, state: from });
  noteState(pool, id, { at, state });
}

export function noteAdded(pool: string, id: string, at: number): void {
  addedAt.set(keyOf(pool, id), at);
}

export function noteStart(at: number | undefined): void {
  startedAt = at;
}

const beginOf = (key: string): number | undefined => addedAt.get(key) ?? startedAt;

/** Replaces the servers of a pool, or of all. */
export function takeStates(list: readonly Known[], pool: string | undefined, at: number): void {
  const next = new Map(
    pool === undefined ? [] : [...states.value].filter(([, known]) => known.pool !== pool),
  );
  for (const known of list) putState(next, known, at);
  for (const key of histories.keys()) if (!next.has(key) && pool === undefined) histories.delete(key);
  states.value = next;
}

/** Takes over servers that have changed, and drops those that have left. */
export function takeSome(
  list: readonly Known[],
  gone: readonly { readonly pool: string; readonly id: string }[],
  at: number,
): void {
  if (list.length === 0 && gone.length === 0) return;
  const next = new Map(states.value);
  for (const known of list) putState(next, known, at);
  for (const { pool, id } of gone) {
    next.delete(keyOf(pool, id));
    histories.delete(keyOf(pool, id));
  }
  states.value = next;
}

function putState(into: Map<string, Known>, known: Known, at: number): void {
  const key = keyOf(known.pool, known.id);
  into.set(key, known);
  const begin = histories.has(key) ? at : (beginOf(key) ?? at);
  noteState(known.pool, known.id, { at: begin, state: known.state });
}

export function takeNumbers(more: ReadonlyMap<string, ServerNumbers>): void {
  numbers.value = new Map([...numbers.value].filter(([key]) => states.value.has(key)).concat([...more]));
}

/** Takes over states from events, so that they are shown before servers are reloaded. */
export function takeChanges(list: readonly Known[]): void {
  const next = new Map(states.value);
  for (const known of list) {
    const key = keyOf(known.pool, known.id);
    if (next.has(key)) next.set(key, known);
  }
  if (list.length > 0) states.value = next;
}

export async function loadPools(): Promise<void> {
  pools.value = (await call<{ pools: PoolFacts[] }>('GET', '/pools')).pools;
}

/** Loads the servers of the chosen pool, or of all. */
export async function loadServers(): Promise<void> {
  await loadPools();
  const all = pools.value;
  const chosen = chosenPool.value;
  if (chosen !== '' && !all.some(({ name }) => name === chosen)) {
    chosenPool.value = '';
    return;
  }
  const names = chosen === '' ? all.slice(0, mostPools).map(({ name }) => name) : [chosen];
  const lists = await inTurns(names, async name => {
    const answer = await find<{ servers: ServerFacts[] }>(`/pools/${encodeURIComponent(name)}/servers`);
    return answer?.servers ?? [];
  });
  if (chosenPool.value !== chosen) return;
  const list = lists.flat();
  facts.value = new Map(list.map(server => [keyOf(server.pool, server.id), server]));
  takeStates(list, undefined, Date.now());
  loaded.value = true;
}

/** Runs a function for each item, four at a time. */
async function inTurns<T, R>(list: readonly T[], fn: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  const waiting = list.entries();
  const lane = async (): Promise<void> => {
    for (const [index, item] of waiting) results[index] = await fn(item);
  };
  await Promise.all([lane(), lane(), lane(), lane()]);
  return results;
}

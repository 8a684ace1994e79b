// Real requests, from traces of the admin API: only while the page is visible, and a limited number.
import { signal } from '@preact/signals';
import { ApiProblem, call, find, textOf } from './api.ts';
import type { Explanation } from './explained.ts';

/** Which requests; a missing field matches all. */
export type TraceFilter = Readonly<
  Partial<Record<'host' | 'path' | 'method' | 'status' | 'route' | 'pool' | 'server', string>>
>;

/** A request, and when the page received it. */
export interface SeenRequest extends Explanation {
  readonly number: number;
  readonly at: number;
}

interface Traced {
  readonly requests: readonly Explanation[];
  readonly next: number;
  readonly over: boolean;
}

/** The most requests kept, newest first. */
const mostKept = 300;
/** The requests of one trace, and its longest duration. */
const count = 100;
const duration = '60s';
/** The least time between traces: if one is full sooner, further requests are not shown. */
const pauseMs = 2000;
/** How often results are read, however many requests there are. */
const readEveryMs = 500;
const retryMs = 5000;

export const seen = signal<readonly SeenRequest[]>([]);
/** Whether there are more requests than are shown. */
export const isSample = signal(false);
/** Why no requests are shown; empty: they are. */
export const traceProblem = signal('');

let lastNumber = 0;

/** Shows matching requests until the returned function is called. */
export function followRequests(filter: TraceFilter): () => void {
  const over = new AbortController();
  seen.value = [];
  isSample.value = false;
  traceProblem.value = '';
  void run(filter, over.signal);
  return () => over.abort();
}

async function run(filter: TraceFilter, over: AbortSignal): Promise<void> {
  while (!over.aborted) {
    await whenShown(over);
    const begun = Date.now();
    try {
      const got = await trace(filter, over);
      traceProblem.value = '';
      const rest = begun + pauseMs - Date.now();
      isSample.value = got >= count && rest > 0;
      if (rest > 0) await sleep(rest, over);
    } catch (thrown) {
      if (over.aborted) return;
      traceProblem.value = textOf(thrown);
      // Trying again does not help against an invalid filter.
      if (thrown instanceof ApiProblem && [400, 403].includes(thrown.status)) return;
      await sleep(retryMs, over);
    }
  }
}

/** Reads one trace to its end; resolves with the number of requests. */
async function trace(filter: TraceFilter, over: AbortSignal): Promise<number> {
  if (over.aborted) return 0;
  const { id } = await call<{ id: number }>('POST', '/traces', { ...filter, count, duration });
  let next = 0;
  try {
    for (let isOver = false; !isOver && !over.aborted && isShown(); ) {
      const told = await find<Traced>(`/traces/${id}?after=${next}&wait`);
      if (told === undefined || over.aborted) return next;
      take(told.requests);
      ({ next, over: isOver } = told);
      if (!isOver) await sleep(readEveryMs, over);
    }
    return next;
  } finally {
    // It may have ended already.
    void call('DELETE', `/traces/${id}`).catch(() => {});
  }
}

function take(requests: readonly Explanation[]): void {
  if (requests.length === 0) return;
  const at = Date.now();
  const more = requests.map(request => ({ ...request, number: ++lastNumber, at }));
  seen.value = [...more.reverse(), ...seen.value].slice(0, mostKept);
}

const isShown = (): boolean => document.visibilityState === 'visible';

/** Resolves when the page is visible, or `over` is aborted. */
async function whenShown(over: AbortSignal): Promise<void> {
  while (!isShown() && !over.aborted) {
    await new Promise<void>(resolve => {
      document.addEventListener('visibilitychange', () => resolve(), { once: true });
      over.addEventListener('abort', () => resolve(), { once: true });
    });
  }
}

async function sleep(ms: number, over: AbortSignal): Promise<void> {
  await new Promise<void>(resolve => {
    const timer = setTimeout(resolve, ms);
    over.addEventListener(
      'abort',
      () => {
        clearTimeout(timer);
        resolve();
      },
      { once: true },
    );
  });
}

// The routes of traces: what becomes of real requests.
import { WeldrError } from '../../core/errors.ts';
import { traceInput } from '../../core/explain/trace.ts';
import type { ManagerSide } from '../../core/plugin/plugin.ts';
import { parse } from '../../core/settings/options.ts';
import { isSet } from './query-switch.ts';

/** How long a reader waits for a request at most, ms. */
const longestWait = 10_000;

/** Adds the routes. */
export function addTraceRoutes({ admin, traces }: Pick<ManagerSide, 'admin' | 'traces'>): void {
  admin.add({
    method: 'POST',
    path: '/traces',
    rel: 'trace',
    summary: 'Trace real requests: what becomes of them, and what each plugin says',
    body: traceInput,
    answers: { 201: 'The trace, to be read at its address' },
    handle({ body }) {
      const id = traces.start(parse(traceInput, body ?? {}, 'INPUT_INVALID'));
      return { status: 201, body: { id }, headers: { Location: `/traces/${id}` } };
    },
  });
  admin.add({
    method: 'GET',
    path: '/traces/:id',
    rel: 'traced',
    // It shows what clients ask for.
    access: 'operators',
    summary: 'What was traced so far',
    query: {
      after: 'How many were read before; those behind them are answered.',
      wait: 'Answer when there is one, or it is over, or after 10 s.',
    },
    answers: { 200: 'The requests, where to go on, and whether it is over' },
    async handle(request) {
      const after = countIn(request.query.get('after') ?? '0');
      const waitMs = isSet(request, 'wait') ? longestWait : 0;
      return { status: 200, body: await traces.read(idOf(request.params), after, waitMs) };
    },
  });
  admin.add({
    method: 'DELETE',
    path: '/traces/:id',
    rel: 'end-trace',
    summary: 'End a trace',
    answers: { 204: 'It is over' },
    handle({ params }) {
      const id = idOf(params);
      if (!traces.end(id)) throw new WeldrError('NOT_FOUND', `there is no trace ${id}, or it is over`);
      return { status: 204, body: undefined };
    },
  });
}

function idOf({ id = '' }: Readonly<Record<string, string>>): number {
  if (/^\d{1,15}$/.test(id)) return Number(id);
  throw new WeldrError('NOT_FOUND', `there is no trace ${JSON.stringify(id.slice(0, 50))}`);
}

function countIn(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new WeldrError(
    'INPUT_INVALID',
    `after: expected a number, got ${JSON.stringify(text.slice(0, 50))}`,
    {
      field: 'after',
    },
  );
}

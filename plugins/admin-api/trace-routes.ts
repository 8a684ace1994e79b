// TraceRoutes: the routes of traces: what happens to real requests.
import { WeldrError } from '../../core/errors.ts';
import { traceInput } from '../../core/explain/trace.ts';
import { parse } from '../../core/options/options.ts';
import type { ManagerSide } from '../../core/plugin/plugin.ts';
import { isSet } from './query-switch.ts';
import { TraceStream } from './trace-stream.ts';

/** The longest that a reader waits for a request, ms. */
const longestWait = 10_000;

/** Adds the routes. */
export function addTraceRoutes({ admin, traces }: Pick<ManagerSide, 'admin' | 'traces'>): void {
  admin.add({
    method: 'POST',
    path: '/traces',
    rel: 'trace',
    summary: 'Trace real requests: what happens to them, and what each plugin decides',
    body: traceInput,
    answers: { 201: 'The trace, to be read at its Location' },
    handle({ body }) {
      const id = traces.start(parse(traceInput, body ?? {}, 'INPUT_INVALID'));
      return { status: 201, body: { id }, headers: { Location: `/traces/${id}` } };
    },
  });
  admin.add({
    method: 'GET',
    path: '/traces/:id',
    rel: 'traced',
    // A trace shows requests of clients.
    access: 'operators',
    summary: 'The requests traced so far; with Accept: text/event-stream as they come',
    query: {
      after: 'How many were read before; the response has those after them.',
      wait: 'Respond when there is one, when the trace is over, or after 10 s.',
    },
    streams: true,
    answers: {
      200: 'The requests, where to continue, and whether the trace is over',
      404: 'There is no such trace, or it is over',
      503: 'There are too many streams',
    },
    async handle({ query, params, stream }) {
      const after = countIn(stream?.lastEventId ?? query.get('after') ?? '0');
      const id = idOf(params);
      const waitMs = stream === undefined && isSet({ query }, 'wait') ? longestWait : 0;
      const body = await traces.read(id, after, waitMs);
      if (stream === undefined) return { status: 200, body };
      return { status: 200, body: undefined, stream: out => new TraceStream(out, traces, { id, after }) };
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

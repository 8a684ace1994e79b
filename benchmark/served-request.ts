// The cost of observing one request that an upstream has served: its line in the access log, its metrics, its id.

import { Pools } from '../core/pool/pools.ts';
import { ProxyContext, stateOf } from '../core/request/context.ts';
import { HeaderList } from '../core/request/headers.ts';
import { Redaction } from '../core/request/redaction.ts';
import { RequestState } from '../core/request/request-state.ts';
import { upstreamRecord, workerSide } from '../core/testing.ts';
import { systemClock } from '../core/time/clock.ts';
import { LineBuffer } from '../plugins/access-log/line-buffer.ts';
import { lineFormat } from '../plugins/access-log/line-format.ts';
import { LostLines } from '../plugins/access-log/lost-lines.ts';
import { metrics, requestId } from '../plugins/index.ts';
import { realisticHeaders } from './scenarios.ts';

const responseFields = { 'Content-Type': 'text/plain', ETag: '"abc"', 'Cache-Control': 'no-cache' };

/** A named piece of work for `bench:micro`. */
export interface ServedCase {
  readonly name: string;
  run(times: number): void;
}

/** Returns the cases; the first is the request alone, which the others include. */
export async function servedCases(): Promise<readonly ServedCase[]> {
  return [
    servedCase('a request that was served: its context', () => {}),
    await requestIdCase('the same, with an id in request and response'),
    accessLogCase('the same, with its line in the access log, json', 'json'),
    accessLogCase('the same, combined', 'combined'),
    await metricsCase('the same, counted for metrics'),
  ];
}

/** A request with the usual fields of clients. `use` does the work, `end` throws if it was not done. */
function servedCase(name: string, use: (ctx: ProxyContext) => void, end: () => void = () => {}): ServedCase {
  const pool = new Pools().default;
  const upstream = pool.set(upstreamRecord('http://10.0.0.1:8080'));
  const received = listOf({ Host: 'shop.example', ...realisticHeaders });
  const returned = listOf(responseFields);
  return {
    name,
    run(times) {
      for (let i = 0; i < times; i++) {
        const state = new RequestState('GET', '/small', '1.1', received.clone(), pool, i);
        state.host = 'shop.example';
        state.clientIp = '192.0.2.1';
        state.status = 200;
        state.responseHeaders = returned.clone();
        state.beginAttempt(upstream, i);
        state.attempt?.sent(i + 0.021);
        state.attempt?.responded(200, i + 1.318);
        state.attempt?.finished(i + 1.402);
        state.finishedAt = i + 1.402;
        state.outcome = 'complete';
        use(new ProxyContext(state));
      }
      end();
    },
  };
}

function listOf(fields: Readonly<Record<string, string>>): HeaderList {
  const list = new HeaderList();
  for (const [name, value] of Object.entries(fields)) list.push(name, name.toLowerCase(), value);
  return list;
}

async function requestIdCase(name: string): Promise<ServedCase> {
  const side = await workerSide(requestId());
  const { request } = side.stages.first;
  const { respond } = side.stages.plain;
  const onAdmitted = (): void => {};
  let sent = 0;
  const use = (ctx: ProxyContext): void => {
    request.callAsync(ctx, onAdmitted);
    respond.call(ctx);
    // As the wire does.
    sent += Buffer.from(stateOf(ctx).addedLines + stateOf(ctx).responseHeaders?.toLines(), 'latin1').length;
  };
  return servedCase(name, use, () => {
    if (sent === 0) throw new Error('nothing was sent');
  });
}

async function metricsCase(name: string): Promise<ServedCase> {
  const side = await workerSide(metrics());
  const { attemptFinished, finished } = side.stages.plain;
  return servedCase(name, ctx => {
    attemptFinished.call(ctx);
    finished.call(ctx);
  });
}

function accessLogCase(name: string, format: string): ServedCase {
  let made = 0;
  const lost = new LostLines({
    log: { warn: (_: unknown, why?: string) => fail(why) },
    clock: systemClock,
    counter: { inc: () => fail('a line was lost') },
  });
  const sink = {
    busy: false,
    write: () => {},
    reopen: () => {},
    close: () => {},
    onIdle: () => {},
  };
  const buffer = new LineBuffer(sink, systemClock, lost);
  const headers = { request: ['User-Agent'], response: [] };
  const line = lineFormat({ format, headers }, new Redaction([]), systemClock);
  return servedCase(
    name,
    ctx => {
      const text = line(ctx);
      made += text.length;
      buffer.add(text);
    },
    () => {
      if (made === 0) throw new Error('there was no line');
    },
  );
}

function fail(why: string | undefined): never {
  throw new Error(why);
}

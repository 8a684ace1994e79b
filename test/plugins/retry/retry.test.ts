// The retry plugin: what is retried, where, and when it stops.
import * as assert from 'uvu/assert';
import type { ErrorCode } from '../../../core/errors.ts';
import { type RunOptions, workerSide } from '../../../core/testing.ts';
import { failOpen } from '../../../plugins/fail-open/index.ts';
import { retry } from '../../../plugins/retry/index.ts';
import { roundRobin } from '../../../plugins/round-robin/index.ts';
import { suite } from '../../support/suite.ts';

const test = suite('retry');

const three = ['http://a:1', 'http://b:1', 'http://c:1'];
const start = (options: Parameters<typeof retry>[0] = {}, upstreams: readonly string[] = three) =>
  workerSide([roundRobin(), retry(options)], { upstreams });

async function attempts(request: RunOptions, options: Parameters<typeof retry>[0] = {}): Promise<number> {
  return (await (await start(options)).run(request)).attempts.length;
}

const safe: ErrorCode[] = [
  'CONNECT_FAILED',
  'CONNECT_TIMEOUT',
  'TLS_FAILED',
  'OWN_ADDRESS',
  'UPSTREAM_BUSY',
  'QUEUE_TIMEOUT',
  'STREAM_REFUSED',
];
const maybeExecuted: ErrorCode[] = ['STALE_CONNECTION', 'UPSTREAM_RESET', 'RESPONSE_TIMEOUT'];
const hopeless: ErrorCode[] = ['BAD_RESPONSE', 'BODY_CUT', 'LOOP', 'OVERLOADED', 'PLUGIN_FAILED'];
const idempotent = ['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE'];
const other = ['POST', 'PATCH', 'get', 'PROPFIND'];

test('retries any method when the upstream cannot have seen the request', async () => {
  for (const code of safe) {
    for (const method of [...idempotent, ...other]) {
      const result = await (await start()).run({ method, answers: [code, 200] });
      assert.is(result.status, 200, `${method} after ${code}`);
      assert.is(result.attempts.length, 2);
    }
  }
});

test('retries only idempotent methods when the request may have been executed', async () => {
  for (const code of maybeExecuted) {
    for (const method of idempotent) {
      assert.is(await attempts({ method, answers: [code, 200] }), 2, `${method} after ${code}`);
    }
    for (const method of other) {
      assert.is(await attempts({ method, answers: [code, 200] }), 1, `${method} after ${code}`);
    }
  }
});

test('never retries what another upstream cannot fix', async () => {
  for (const code of hopeless) assert.is(await attempts({ answers: [code, 200] }), 1, code);
});

test('never retries a request whose body is no longer available', async () => {
  for (const code of [...safe, ...maybeExecuted]) {
    const request = { method: 'PUT', bodyLength: 100, answers: [code, 200] };
    assert.is(await attempts({ ...request, replayable: false }), 1, code);
    assert.is(await attempts({ ...request, replayable: true }), 2, code);
  }
});

test('tries each upstream once, then responds with the last failure', async () => {
  const side = await start({ attempts: 10 });
  const result = await side.run({ answers: ['CONNECT_FAILED'] });
  assert.is(result.status, 502);
  assert.is(result.error?.code, 'CONNECT_FAILED');
  assert.equal(result.attempts.map(({ id }) => id).sort(), three);
});

test('makes no more attempts than configured', async () => {
  for (const most of [1, 2, 3]) {
    assert.is(await attempts({ answers: ['CONNECT_FAILED'] }, { attempts: most }), most);
  }
});

test('retries at the only upstream after a dying connection, and not after other failures', async () => {
  const side = await start({}, ['http://a:1']);
  const stale = await side.run({ answers: [{ error: 'STALE_CONNECTION', reusedConnection: true }, 200] });
  assert.is(stale.status, 200);
  assert.is(stale.attempts.length, 2);
  assert.is((await side.run({ method: 'POST', answers: ['STREAM_REFUSED', 200] })).attempts.length, 2);
  const ofUpstream = safe.filter(code => code !== 'STREAM_REFUSED');
  for (const code of [...ofUpstream, 'UPSTREAM_RESET', 'RESPONSE_TIMEOUT'] as const) {
    assert.is((await side.run({ answers: [code, 200] })).attempts.length, 1, code);
  }
});

test('retries no status by default, and configured ones for idempotent methods only', async () => {
  assert.is(await attempts({ answers: [503, 200] }), 1);
  const statuses = [502, 503];
  assert.is(await attempts({ answers: [503, 200] }, { statuses }), 2);
  assert.is(await attempts({ answers: [500, 200] }, { statuses }), 1);
  assert.is(await attempts({ method: 'POST', answers: [503, 200] }, { statuses }), 1);
});

test('passes the last response on when all answer a status that is retried', async () => {
  const side = await start({ statuses: [503] });
  const result = await side.run({ answers: [{ status: 503, headers: { 'X-Why': 'busy' } }] });
  assert.is(result.status, 503);
  assert.is(result.attempts.length, 3);
  assert.is(result.headers.get('x-why'), 'busy');
  assert.is(result.error, undefined);
});

test('keeps retries within their share of the traffic', async () => {
  const side = await start({ minimum: 0 });
  let made = 0;
  for (let n = 0; n < 1000; n++) made += (await side.run({ answers: ['CONNECT_FAILED'] })).attempts.length;
  assert.is(made - 1000, 200);
});

test('takes nothing from the budget for what cannot be retried', async () => {
  const side = await start({ minimum: 0.1, budget: 0 });
  await side.run({ bodyLength: 9, replayable: false, answers: ['CONNECT_FAILED', 200] });
  await side.run({ method: 'POST', answers: ['UPSTREAM_RESET', 200] });
  assert.is((await side.run({ answers: ['CONNECT_FAILED', 200] })).status, 200);
  assert.is((await side.run({ answers: ['CONNECT_FAILED', 200] })).status, 502);
});

test('lets low traffic retry', async () => {
  const side = await start();
  for (let n = 0; n < 10; n++) {
    assert.is((await side.run({ answers: ['CONNECT_FAILED', 200] })).status, 200);
  }
});

test('counts a request once for the budget, however often it is tried', async () => {
  const side = await start({ minimum: 0, budget: 1 });
  assert.is((await side.run({ answers: ['CONNECT_FAILED'] })).attempts.length, 2);
});

test('retries at other upstreams that are down when fail-open chose one', async () => {
  const side = await workerSide([roundRobin(), failOpen(), retry()], {
    upstreams: three.map(url => ({ url, state: 'down' as const })),
  });
  const result = await side.run({ answers: ['CONNECT_FAILED', 'CONNECT_FAILED', 200] });
  assert.is(result.status, 200);
  assert.is(new Set(result.attempts).size, 3);
});

test('refuses invalid options', async () => {
  for (const options of [
    { attempts: 0 },
    { attempts: 11 },
    { budget: 2 },
    { statuses: [200] },
    { tries: 3 },
  ]) {
    const thrown = await start(options as object).catch(error => error);
    assert.is(thrown.code, 'CONFIG_INVALID');
  }
});

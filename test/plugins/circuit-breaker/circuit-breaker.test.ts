// The circuit-breaker plugin: when it opens, which trials it allows, when it closes.
import * as assert from 'uvu/assert';
import { settle, type TestWorkerSide, type UpstreamAnswer, workerSide } from '../../../core/testing.ts';
import { type CircuitBreakerOptions, circuitBreaker } from '../../../plugins/circuit-breaker/index.ts';
import { ipFilter } from '../../../plugins/ip-filter/index.ts';
import { retry } from '../../../plugins/retry/index.ts';
import { roundRobin } from '../../../plugins/round-robin/index.ts';
import { suite } from '../../support/suite.ts';

const test = suite('circuit-breaker');

const upstreams = ['http://a:1', 'http://b:1'];
const start = (options: CircuitBreakerOptions = {}): Promise<TestWorkerSide> =>
  workerSide([circuitBreaker({ minRequests: 4, ...options }), roundRobin()], { upstreams });

async function send(
  side: TestWorkerSide,
  count: number,
  answer: UpstreamAnswer,
  request = {},
): Promise<number[]> {
  const statuses: number[] = [];
  for (let n = 0; n < count; n++) statuses.push((await side.run({ ...request, answers: [answer] })).status);
  return statuses;
}

const isOpen = async (side: TestWorkerSide): Promise<boolean> =>
  (await side.run({ rehearsal: true })).status === 503;

test('opens at the share of bad outcomes among enough requests, and then asks no server', async () => {
  const side = await start();
  await send(side, 3, 'RESPONSE_TIMEOUT');
  assert.not.ok(await isOpen(side));
  await send(side, 1, 'RESPONSE_TIMEOUT');
  side.clock.advance(3000);
  const refused = await side.run();
  assert.equal([refused.status, refused.headers.get('retry-after'), refused.attempts], [503, '7', []]);
  assert.match(side.logs.map(({ msg }) => msg).join(), /the circuit is open: 4 of 4 requests/);
});

test('stays closed below the share, and forgets what is older than the window', async () => {
  const side = await start({ window: '10s' });
  for (let n = 0; n < 20; n++) {
    await send(side, 2, 200);
    await send(side, 1, 503);
  }
  assert.not.ok(await isOpen(side));
  const late = await start({ window: '10s' });
  for (let n = 0; n < 10; n++) {
    await send(late, 3, 'CONNECT_FAILED');
    late.clock.advance(10_000);
  }
  assert.not.ok(await isOpen(late));
});

test('counts failures, slow requests and missing servers as bad outcomes', async () => {
  for (const [answer, options] of [
    ['CONNECT_FAILED'],
    ['BODY_CUT'],
    ['BAD_RESPONSE'],
    ['UPSTREAM_BUSY'],
    [504],
    [500, { statuses: [500] }],
    [{ status: 200, after: 1001 }, { slow: '1s' }],
    [{ error: 'CLIENT_CLOSED', after: 1001 }, { slow: '1s' }],
  ] as [UpstreamAnswer, CircuitBreakerOptions?][]) {
    const side = await start(options);
    await send(side, 4, answer);
    assert.ok(await isOpen(side), JSON.stringify(answer));
  }
  const empty = await workerSide([circuitBreaker({ minRequests: 4 }), roundRobin()]);
  await send(empty, 4, 200);
  assert.match(String((await empty.run()).reply?.body), 'come back later');
});

test('does not count what clients or other plugins caused', async () => {
  for (const [answer, options, request] of [
    ['CLIENT_CLOSED'],
    ['REQUEST_TIMEOUT'],
    ['PLUGIN_FAILED'],
    [500],
    [404],
    [{ status: 200, after: 1000 }, { slow: '1s' }],
    [{ error: 'CLIENT_CLOSED', after: 1000 }, { slow: '1s' }],
    [{ status: 200, after: 5000 }, { slow: '1s' }, { method: 'POST', bodyLength: 100_000 }],
    ['RESPONSE_TIMEOUT', {}, { method: 'POST', bodyLength: 1000 }],
  ] as [UpstreamAnswer, CircuitBreakerOptions?, object?][]) {
    const side = await start(options);
    await send(side, 20, answer, request);
    assert.not.ok(await isOpen(side), JSON.stringify([answer, request]));
  }
  const side = await workerSide(
    [circuitBreaker({ minRequests: 4, statuses: [403] }), ipFilter({ deny: ['192.0.2.1'] }), roundRobin()],
    { upstreams },
  );
  assert.equal(await send(side, 6, 200), [403, 403, 403, 403, 403, 403]);
});

test('counts the final outcome of a request', async () => {
  const side = await workerSide([circuitBreaker({ minRequests: 4 }), roundRobin(), retry()], { upstreams });
  for (let n = 0; n < 10; n++) await side.run({ answers: ['CONNECT_FAILED', 200] });
  assert.not.ok(await isOpen(side));
});

test('allows a few trials after the rest, and closes when they succeed', async () => {
  const side = await start({ rest: '5s', passes: 2 });
  await send(side, 4, 502);
  side.clock.advance(4999);
  assert.is((await side.run()).status, 503);
  side.clock.advance(1);
  const answers = [Promise.withResolvers<number>(), Promise.withResolvers<number>()];
  const trials = answers.map(({ promise }) => side.run({ answers: [promise] }));
  await settle();
  const third = await side.run();
  assert.equal([third.status, third.headers.get('retry-after')], [503, '1']);
  for (const { resolve } of answers) resolve(200);
  assert.equal(
    (await Promise.all(trials)).map(({ status, notes }) => [status, notes]),
    [
      [200, ['circuit-breaker: a trial']],
      [200, ['circuit-breaker: a trial']],
    ],
  );
  assert.equal(await send(side, 10, 200), new Array(10).fill(200));
  assert.match(side.logs.at(-1)?.msg ?? '', /closed again/);
});

test('opens again when a trial fails, and replaces a trial without a result', async () => {
  const side = await start({ rest: '5s', passes: 1 });
  await send(side, 4, 502);
  for (let round = 0; round < 3; round++) {
    side.clock.advance(5000);
    assert.equal(await send(side, 1, 'CLIENT_CLOSED'), [499]);
    assert.equal(await send(side, 2, 502), [502, 503]);
  }
  side.clock.advance(5000);
  assert.equal(await send(side, 2, 200), [200, 200]);
});

test('ignores requests that had begun before it closed', async () => {
  const side = await start({ rest: '5s', passes: 1 });
  const old = Array.from({ length: 8 }, () => Promise.withResolvers<number>());
  const running = old.map(({ promise }) => side.run({ answers: [promise] }));
  await send(side, 4, 502);
  side.clock.advance(5000);
  assert.equal(await send(side, 1, 200), [200]);
  for (const { resolve } of old) resolve(502);
  await Promise.all(running);
  assert.not.ok(await isOpen(side));
});

test('has a separate circuit for each place in the config', async () => {
  const breaker = () => circuitBreaker({ minRequests: 4 });
  const side = await workerSide(roundRobin(), {
    upstreams: { default: upstreams, other: ['http://c:1'] },
    pools: { default: [breaker()], other: [breaker()] },
  });
  await send(side, 4, 502);
  assert.equal(await send(side, 1, 200), [503]);
  assert.equal(await send(side, 1, 200, { pool: 'other' }), [200]);
});

test('refuses invalid options', async () => {
  for (const options of [
    { errorRate: 0 },
    { minRequests: 0 },
    { window: 1 },
    { slow: 0 },
    { rest: 1 },
    { passes: 0 },
  ]) {
    const thrown = await start(options).catch(error => error);
    assert.is(thrown.code, 'CONFIG_INVALID', JSON.stringify(options));
  }
});

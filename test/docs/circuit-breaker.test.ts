// The example circuit breaker: its states on a fake clock, then in a real Weldr.
import * as assert from 'uvu/assert';
import { workerSide } from '../../core/testing.ts';
import { circuitBreaker } from '../../docs/examples/circuit-breaker.ts';
import { retry, roundRobin } from '../../plugins/index.ts';
import { withWeldr } from '../support/embedded-weldr.ts';
import { startOrigin } from '../support/origin.ts';
import { suite } from '../support/suite.ts';

const test = suite('the example circuit-breaker');

const started = (upstreams: readonly string[], options = {}) =>
  workerSide([circuitBreaker({ failures: 3, window: '10s', rest: '5s', ...options }), roundRobin()], {
    upstreams,
  });

test('opens after its failures within the window, and sends nothing for a while', async () => {
  const side = await started(['http://a']);
  for (const answer of [503, 'CONNECT_FAILED', 'RESPONSE_TIMEOUT'] as const)
    await side.run({ answers: [answer] });
  const refused = await side.run();
  assert.equal([refused.status, refused.upstream], [503, undefined]);
  assert.is(side.logs.filter(({ msg }) => msg === 'the circuit is open').length, 1);
  await side.close();
});

test('does not add up failures of different windows, and ignores what clients did', async () => {
  const side = await started(['http://a']);
  for (let n = 0; n < 4; n++) {
    await side.run({ answers: [500] });
    await side.run({ answers: [404] });
    await side.run({ answers: ['CLIENT_CLOSED'] });
    side.clock.advance(6000);
  }
  assert.is((await side.run()).status, 200);
  await side.close();
});

test('lets one request through after its rest, and lets that one decide', async () => {
  const side = await started(['http://a']);
  for (let n = 0; n < 3; n++) await side.run({ answers: [500] });
  side.clock.advance(4999);
  assert.is((await side.run()).upstream, undefined);
  side.clock.advance(1);
  const probe = Promise.withResolvers<number>();
  const trying = side.run({ answers: [probe.promise] });
  const others = [await side.run(), await side.run()];
  assert.equal(
    others.map(({ status }) => status),
    [503, 503],
  );
  probe.resolve(500);
  assert.is((await trying).status, 500);
  assert.is((await side.run()).upstream, undefined);
  side.clock.advance(5000);
  assert.is((await side.run()).status, 200);
  assert.is((await side.run()).status, 200);
  assert.ok(side.logs.some(({ msg }) => msg === 'the circuit is closed again'));
  await side.close();
});

test('tries again although an earlier request has not ended', async () => {
  const side = await started(['http://a']);
  const stream = Promise.withResolvers<number>();
  const streaming = side.run({ answers: [stream.promise] });
  for (let n = 0; n < 3; n++) await side.run({ answers: [500] });
  side.clock.advance(5000);
  const probe = Promise.withResolvers<number>();
  const trying = side.run({ answers: [probe.promise] });
  assert.is((await side.run()).status, 503);
  probe.resolve(200);
  assert.is((await trying).status, 200);
  assert.is((await side.run()).status, 200);
  stream.resolve(200);
  await streaming;
  await side.close();
});

test('does not wait for a request that is only explained', async () => {
  const side = await started(['http://a']);
  for (let n = 0; n < 3; n++) await side.run({ answers: [500] });
  side.clock.advance(5000);
  const explained = Promise.withResolvers<number>();
  const explaining = side.run({ rehearsal: true, answers: [explained.promise] });
  assert.is((await side.run()).status, 200);
  explained.resolve(200);
  await explaining;
  await side.close();
});

test('waits for another request when the trial goes elsewhere', async () => {
  const side = await started(['http://a']);
  for (let n = 0; n < 3; n++) await side.run({ answers: [500] });
  side.clock.advance(5000);
  let isOpen = false;
  side.hooks.eligible.tap('no', () => (isOpen ? undefined : false));
  assert.is((await side.run()).status, 503);
  isOpen = true;
  assert.is((await side.run()).status, 200);
  await side.close();
});

test('waits for another request when the client of the trial leaves', async () => {
  const side = await started(['http://a']);
  for (let n = 0; n < 3; n++) await side.run({ answers: [500] });
  side.clock.advance(5000);
  await side.run({ answers: ['CLIENT_CLOSED'] });
  assert.is((await side.run()).status, 200);
  await side.close();
});

test('leaves the other upstreams alone', async () => {
  const side = await started(['http://a', 'http://b']);
  for (let n = 0; n < 40; n++) {
    const { upstream, status } = await side.run({ answers: [200] });
    assert.equal([status, upstream === undefined], [200, false]);
  }
  const failing = side.pools.default.get('http://a');
  side.hooks.preProxy.tap('count', () => undefined);
  for (let n = 0; n < 12; n++) {
    const answer = Promise.withResolvers<number>();
    const running = side.run({ answers: [answer.promise] });
    answer.resolve(failing?.inFlight === 1 ? 500 : 200);
    await running;
  }
  for (let n = 0; n < 6; n++) assert.is((await side.run()).upstream?.id, 'http://b');
  await side.close();
});

test('spares a failing origin requests, and clients its failures', async () => {
  const good = await startOrigin();
  const bad = await startOrigin();
  bad.healthStatus = 500;
  try {
    const plugins = [circuitBreaker({ failures: 2, window: '1h', rest: '1h' }), roundRobin(), retry()];
    await withWeldr({ servers: [good.url, bad.url], plugins }, async ({ url }) => {
      const statuses: number[] = [];
      for (let n = 0; n < 20; n++) {
        statuses.push((await fetch(url, { headers: { connection: 'close' } })).status);
      }
      assert.is(bad.requests, 2);
      assert.equal(
        statuses.slice(5),
        Array.from({ length: 15 }, () => 200),
      );
    });
  } finally {
    await good.close();
    await bad.close();
  }
});

// The concurrency-limit plugin and its queues: which requests are served, which wait, which are turned away.
import * as assert from 'uvu/assert';
import { when } from '../../../core/plugin/when.ts';
import { type RunOptions, settle, type TestWorkerSide, workerSide } from '../../../core/testing.ts';
import { type ConcurrencyLimitOptions, concurrencyLimit } from '../../../plugins/concurrency-limit/index.ts';
import { Turns } from '../../../plugins/concurrency-limit/turns.ts';
import { ipFilter } from '../../../plugins/ip-filter/index.ts';
import { retry } from '../../../plugins/retry/index.ts';
import { roundRobin } from '../../../plugins/round-robin/index.ts';
import { suite } from '../../support/suite.ts';

const test = suite('concurrency-limit');

const upstreams = ['http://a:1', 'http://b:1'];
const start = (options: ConcurrencyLimitOptions): Promise<TestWorkerSide> =>
  workerSide([concurrencyLimit(options), roundRobin(), retry()], { upstreams });

/** A request in progress, until it receives its status. */
function begin(side: TestWorkerSide, request: RunOptions = {}) {
  const answer = Promise.withResolvers<number>();
  const state = { status: 0, end: (status = 200) => answer.resolve(status) };
  side.run({ ...request, answers: [answer.promise] }).then(({ status }) => {
    state.status = status;
  });
  return state;
}

test('serves up to max at once, queues some in order, and turns the rest away', async () => {
  const side = await start({ max: 2, queue: 2 });
  const requests = Array.from({ length: 5 }, () => begin(side));
  await settle();
  assert.equal(
    requests.map(({ status }) => status),
    [0, 0, 0, 0, 503],
  );
  for (const { end } of requests.slice(2)) end();
  await settle();
  assert.equal(
    requests.map(({ status }) => status),
    [0, 0, 0, 0, 503],
  );
  requests[0]?.end();
  await settle();
  assert.equal(
    requests.map(({ status }) => status),
    [200, 0, 200, 200, 503],
  );
  requests[1]?.end();
  await settle();
  assert.is((await side.run()).status, 200);
});

test('turns away a request that has waited too long, and says when to retry', async () => {
  const side = await start({ max: 1, queueTimeout: '2s' });
  const timers = side.clock.pending;
  const first = begin(side);
  const second = side.run();
  await side.clock.advanceAsync(1999);
  let over = false;
  second.finally(() => {
    over = true;
  });
  await settle();
  assert.not.ok(over);
  await side.clock.advanceAsync(1);
  const { status, headers, attempts } = await second;
  assert.equal([status, headers.get('retry-after'), attempts], [503, '1', []]);
  first.end();
  await settle();
  assert.is((await side.run()).status, 200);
  assert.is(side.clock.pending, timers);
});

test('ends a turn with its request, whatever the outcome', async () => {
  const side = await start({ max: 1, queue: 0 });
  for (const answer of ['CONNECT_FAILED', 'CLIENT_CLOSED', 500, 'BODY_CUT'] as const) {
    await side.run({ answers: [answer] });
    assert.is((await side.run()).status, 200);
  }
  const tried = await side.run({ answers: ['CONNECT_FAILED', 200] });
  assert.equal([tried.status, tried.attempts.length], [200, 2]);
  assert.is((await side.run()).status, 200);
});

test('returns a turn when another filter refuses the request', async () => {
  const refused = when({ path: '/closed' }, ipFilter({ deny: ['192.0.2.1'] }));
  const side = await workerSide([concurrencyLimit({ max: 1, queue: 0 }), refused, roundRobin()], {
    upstreams,
  });
  for (let n = 0; n < 3; n++) assert.is((await side.run({ target: '/closed' })).status, 403);
  assert.is((await side.run()).status, 200);
});

test('counts keys separately', async () => {
  for (const [key, one, other] of [
    ['client', { clientIp: '192.0.2.1' }, { clientIp: '192.0.2.2' }],
    ['client', { clientIp: '2001:db8::1' }, { clientIp: '2001:db8:0:1::1' }],
    ['host', { host: 'a.test' }, { host: 'b.test' }],
    [{ header: 'X-Tenant' }, { headers: { 'x-tenant': 'a' } }, { headers: { 'x-tenant': 'b' } }],
    [{ header: 'X-Tenant' }, { headers: { 'x-tenant': 'a' } }, {}],
  ] as const) {
    const side = await start({ max: 1, queue: 0, key });
    const held = begin(side, one);
    await settle();
    assert.is((await side.run(one)).status, 429);
    assert.is((await side.run(other)).status, 200);
    held.end();
    await settle();
    assert.is((await side.run(one)).status, 200);
  }
  const side = await start({ max: 1, queue: 0, key: 'client' });
  const held = begin(side, { clientIp: '2001:db8::1' });
  assert.is((await side.run({ clientIp: '2001:db8::2' })).status, 429);
  held.end();
});

test('reads a header in any case, and in each spelling that a CGI server treats as the same', async () => {
  const side = await start({ max: 1, queue: 0, key: { header: 'X-tenant' } });
  const held = begin(side, { headers: { 'x-TENANT': 'a' } });
  await settle();
  for (const name of ['X-Tenant', 'X_Tenant', 'x.tenant'])
    assert.is((await side.run({ headers: { [name]: 'a' } })).status, 429, name);
  assert.is((await side.run({ headers: { X_Tenant: 'b' } })).status, 200);
  held.end();
});

test('counts a host as one, however it is written', async () => {
  const side = await start({ max: 1, queue: 0, key: 'host' });
  const held = begin(side, { host: 'a.test' });
  await settle();
  for (const host of ['A.test', 'a.test:80', 'a.test:81', 'a.test.', 'a.TEST.:8080', 'a.test:'])
    assert.is((await side.run({ host })).status, 429, host);
  assert.is((await side.run({ host: '[::1]:80' })).status, 200);
  held.end();
});

test('limits a request by each instance that it passes', async () => {
  const side = await workerSide([concurrencyLimit({ max: 2, queue: 0 }), roundRobin()], {
    upstreams,
    pools: { default: [concurrencyLimit({ max: 1, queue: 0 })] },
  });
  const held = begin(side);
  await settle();
  assert.is((await side.run()).status, 503);
  held.end();
  await settle();
  for (let n = 0; n < 3; n++) assert.is((await side.run()).status, 200);
});

test('ends a turn in a pool with a request that its fallback served', async () => {
  const side = await workerSide(roundRobin(), {
    upstreams: { default: [], spare: upstreams },
    fallbacks: { default: 'spare' },
    pools: { default: [concurrencyLimit({ max: 1, queue: 0 })] },
  });
  const held = begin(side);
  await settle();
  assert.is((await side.run()).status, 503);
  held.end();
  await settle();
  for (let n = 0; n < 3; n++) assert.is((await side.run()).status, 200);
});

test('takes no turn for a request that is only explained', async () => {
  const side = await start({ max: 1, queue: 0 });
  const held = begin(side);
  assert.is((await side.run({ rehearsal: true })).status, 503, 'it shows that no turn is free');
  held.end();
});

test('keeps no unused key, and bounds its queue', () => {
  const turns = new Turns(1, 5, 8);
  const turn = (key: string) => ({ key, granted: () => void granted.push(key) });
  const granted: string[] = [];
  const all = Array.from({ length: 30 }, (_, n) => turn(`key ${n % 3}`));
  const taken = all.filter(each => turns.take(each) !== 'full');
  assert.equal([taken.length, turns.waiting, turns.keys], [11, 8, 3]);
  for (const each of taken) turns.leave(each);
  assert.equal([granted.length, turns.waiting, turns.keys], [8, 0, 0]);
});

test('does not give away the turn of another when requests leave the queue', () => {
  const granted: number[] = [];
  const turns = new Turns(1, 10, 10);
  const all = Array.from({ length: 4 }, (_, n) => ({ key: '', granted: () => void granted.push(n) }));
  const [first, second, third, fourth] = all;
  if (!first || !second || !third || !fourth) throw new Error('there are four');
  for (const each of all) turns.take(each);
  turns.leave(second);
  turns.leave(first);
  assert.equal(granted, [2]);
  turns.leave(third);
  turns.leave(fourth);
  assert.equal([granted, turns.keys], [[2, 3], 0]);
});

test('refuses invalid options', async () => {
  for (const options of [
    {},
    { max: 0 },
    { max: 1, queue: -1 },
    { max: 1, queueTimeout: 0 },
    { max: 1, key: 'path' },
  ]) {
    const thrown = await start(options as ConcurrencyLimitOptions).catch(error => error);
    assert.is(thrown.code, 'CONFIG_INVALID', JSON.stringify(options));
  }
});

// GET /traces/:id: as a list that can wait, and as a stream that resumes, ends, and buffers nothing for slow readers.
import * as assert from 'uvu/assert';
import type { Explanation } from '../../../core/explain/explanation.ts';
import { suite } from '../../support/suite.ts';
import { until } from '../../support/until.ts';
import { type Api, at, withApi } from './api.ts';
import { type Followed, follow } from './event-client.ts';

const test = suite('admin-api traces');

const explanation: Explanation = {
  method: 'GET',
  url: 'http://shop.example/',
  clientIp: '192.0.2.1',
  listener: 'default',
  steps: [],
  route: undefined,
  pool: 'default',
  server: undefined,
  sends: [],
  response: { status: 200, by: 'weldr', plugin: undefined, code: undefined, why: undefined, headers: [] },
  notes: [],
  ms: 1,
};

const begin = async ({ call }: Api, wish: object = {}): Promise<number> => {
  const { status, body } = await call('POST', '/traces', wish);
  assert.is(status, 201);
  return Number(at(body, 'id'));
};
const take = ({ side }: Api, id: number, method: string, more: object = {}): void =>
  side.traces.take(1, id, { ...explanation, method, ...more });
const methodsOf = ({ messages }: Followed): unknown[] =>
  messages.filter(({ event }) => event === 'message').map(({ data }) => data['method']);

test('a stream sends requests as they come, reports its end, resumes, and ends the trace with its last reader', async () => {
  await withApi({}, async api => {
    const { address, call, side } = api;
    const id = await begin(api, { count: 4, duration: '10m' });
    const path = `/traces/${id}`;
    take(api, id, 'ONE');
    const first = await follow(address, path);
    await first.message(({ id: place }) => place === '1');
    take(api, id, 'TWO');
    await first.message(({ id: place }) => place === '2');
    assert.equal(methodsOf(first), ['ONE', 'TWO']);
    // While a reader follows, however long nothing comes.
    side.clock.advance(60_000);
    assert.is(side.traces.size, 1);
    first.close();
    take(api, id, 'THREE');
    const [second, third] = await Promise.all([
      follow(address, path, { 'last-event-id': '2' }),
      follow(address, `${path}?after=1`),
    ]);
    await Promise.all([second, third].map(one => one.message(({ id: place }) => place === '3')));
    take(api, id, 'FOUR');
    await until('both have ended', () => second.ended && third.ended);
    assert.equal([second, third].map(methodsOf), [
      ['THREE', 'FOUR'],
      ['TWO', 'THREE', 'FOUR'],
    ]);
    assert.equal(second.messages.at(-1), { event: 'over', data: { next: 4 } });
    const late = await follow(address, path, { 'last-event-id': '4' });
    await until('it has ended', () => late.ended);
    assert.equal(
      late.messages.map(({ event }) => event),
      ['hello', 'over'],
    );
    await until('no reader is left', () => {
      side.clock.advance(31_000);
      return side.traces.size === 0;
    });
    assert.is((await follow(address, path)).status, 404);
    assert.is((await call('GET', path)).status, 404);
  });
});

test('a stream ends when its trace is ended, and a wrong place is refused', async () => {
  await withApi({}, async api => {
    const { address, call } = api;
    const id = await begin(api);
    const stream = await follow(address, `/traces/${id}`);
    assert.is((await follow(address, `/traces/${id}`, { 'last-event-id': 'x' })).status, 400);
    assert.is((await call('DELETE', `/traces/${id}`)).status, 204);
    await until('it has ended', () => stream.ended);
    assert.equal(
      stream.messages.map(({ event }) => event),
      ['hello', 'over'],
    );
  });
});

test('a list waits for the first request, for the end, or not at all', async () => {
  await withApi({}, async api => {
    const { call, side } = api;
    const id = await begin(api);
    const nothing = { requests: [], next: 0, over: false };
    assert.equal((await call('GET', `/traces/${id}`)).body, nothing);
    const waiting = call('GET', `/traces/${id}?wait`);
    await until('it waits', () => side.clock.pending > 0);
    take(api, id, 'ONE');
    const { body } = await waiting;
    assert.equal([at(body, 'requests.0.method'), at(body, 'next')], ['ONE', 1]);
    const end = call('GET', `/traces/${id}?wait&after=1`);
    await call('DELETE', `/traces/${id}`);
    const { status, body: over } = await end;
    assert.ok(status === 404 || at(over, 'over') === true);
  });
});

test('nothing is buffered for a reader that stops, which gets the rest when it reads again', async () => {
  await withApi({}, async api => {
    const { address } = api;
    const id = await begin(api, { count: 100 });
    const stream = await follow(address, `/traces/${id}`);
    stream.pause();
    const notes = ['x'.repeat(100_000)];
    for (let n = 1; n <= 99; n++) take(api, id, `N${n}`, { notes });
    await new Promise(resolve => setImmediate(resolve));
    assert.ok(stream.text.length < 2_000_000);
    stream.resume();
    await stream.message(({ id: place }) => place === '99');
    assert.is(methodsOf(stream).length, 99);
    stream.close();
  });
});

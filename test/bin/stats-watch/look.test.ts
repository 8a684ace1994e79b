// Looks: the result of two readings of the counts.
import * as assert from 'uvu/assert';
import { figure } from '../../../bin/stats-watch/columns.ts';
import { lookAt } from '../../../bin/stats-watch/look.ts';
import { orders, sorted } from '../../../bin/stats-watch/order.ts';
import { suite } from '../../support/suite.ts';
import { countsAt, lookOf } from './looks.ts';

const test = suite('looks');

const id = 'http://10.0.0.1:80';

test('has no rates at first', () => {
  const { client, servers } = lookAt(countsAt(5, [{ id, success: 7 }]), undefined);
  assert.equal([client.rate, servers[0]?.rate, servers[0]?.failedRate], [undefined, undefined, undefined]);
  assert.is(servers[0]?.success, 7);
});

test('has rates over the time between, and the mean latency of its responses', () => {
  const before = countsAt(10, [{ id, success: 100, failed: 4, latency: { count: 100, sum: 1000 } }]);
  const now = countsAt(12, [{ id, success: 104, failed: 6, latency: { p99: 80, count: 105, sum: 1250 } }]);
  const { client, server, servers } = lookAt(now, before);
  assert.equal([client.rate, client.failedRate, server.rate], [3, 1, 3]);
  const [first] = servers;
  assert.equal([first?.rate, first?.failedRate, first?.meanMs, first?.p99Ms], [3, 1, 50, 80]);
});

test('has no mean latency of a time without responses', () => {
  const counts = (second: number) => countsAt(second, [{ id, success: 4, latency: { count: 4, sum: 9 } }]);
  assert.is(lookAt(counts(2), counts(1)).servers[0]?.meanMs, undefined);
});

test('has no rates after the counts have restarted, even for greater ones than before', () => {
  const before = countsAt(10, [{ id, success: 2 }], { success: 1000, failed: 0 });
  const now = countsAt(11, [{ id, success: 50 }], { success: 50, failed: 0 });
  const { client, servers } = lookAt(now, before);
  assert.equal([client.rate, servers[0]?.rate], [undefined, undefined]);
});

test('has no negative rate for a server that left and came back', () => {
  const before = countsAt(10, [{ id, success: 90, latency: { count: 90, sum: 900 } }], {
    success: 90,
    failed: 0,
  });
  const now = countsAt(11, [{ id, success: 3, latency: { count: 3, sum: 30 } }], { success: 93, failed: 0 });
  const { server, servers } = lookAt(now, before);
  assert.equal([server.rate, servers[0]?.rate, servers[0]?.meanMs], [3, undefined, undefined]);
});

test('counts all of a server that joined meanwhile', () => {
  const before = countsAt(10, []);
  assert.is(lookAt(countsAt(11, [{ id, success: 3 }]), before).servers[0]?.rate, 3);
});

test('distinguishes servers of one id in two pools', () => {
  const before = countsAt(0, [
    { id, pool: 'a', success: 10 },
    { id, pool: 'b', success: 20 },
  ]);
  const now = countsAt(1, [
    { id, pool: 'a', success: 11 },
    { id, pool: 'b', success: 25 },
  ]);
  assert.equal(
    lookAt(now, before).servers.map(({ rate }) => rate),
    [1, 5],
  );
});

const { servers: some } = lookOf([
  { id: 'http://10.0.0.10:80', success: 5, inFlight: 1, latency: { count: 5, sum: 50 } },
  { id: 'http://10.0.0.9:80', success: 9, failed: 1, inFlight: 0, latency: { count: 9, sum: 9 } },
  { id: 'http://10.0.0.2:80', success: 1, failed: 3, inFlight: 7 },
]);
const last = (order: (typeof orders)[number] | undefined) =>
  sorted(some, order).map(server => /(\d+):80/.exec(server.id)?.[1]);

test('sorts by rate, failures, requests in flight and latency, the greatest first', () => {
  assert.equal(last('rate'), ['9', '10', '2']);
  assert.equal(last('failed'), ['2', '9', '10']);
  assert.equal(last('inflight'), ['2', '10', '9']);
  assert.equal(last('latency'), ['10', '9', '2']);
});

test('sorts ids by numbers, and keeps the order of the API without --sort', () => {
  assert.equal(last('id'), ['2', '9', '10']);
  assert.equal(last(undefined), ['10', '9', '2']);
});

test('sorts equals by id, whatever the order', () => {
  const { servers } = lookOf(['c', 'a', 'b'].map(name => ({ id: `http://${name}:80` })));
  for (const order of orders) {
    assert.equal(
      sorted(servers, order).map(server => server.id),
      ['http://a:80', 'http://b:80', 'http://c:80'],
    );
  }
});

test('writes numbers short enough for a column', () => {
  const texts = [undefined, 0, 0.01, 0.25, 9.94, 9.96, 12.4, 99_999, 123_456, 1_234_567, 123_456_789];
  assert.equal(texts.map(figure), [
    '-',
    '0',
    '<0.1',
    '0.3',
    '9.9',
    '10',
    '12',
    '99999',
    '123k',
    '1235k',
    '123M',
  ]);
});

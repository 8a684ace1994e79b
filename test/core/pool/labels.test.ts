// Labels: facts about upstreams, and the subsets that they make.
import * as assert from 'uvu/assert';
import { serverDefinition } from '../../../core/pool/server-definition.ts';
import { managerSide, pool, upstreamRecord } from '../../../core/testing.ts';
import { suite } from '../../support/suite.ts';

const test = suite('labels');

const of = (port: number, zone: string) => ({ url: `http://127.0.0.1:${port}`, labels: { zone } });

test('make subsets of the available upstreams, which follow the pool', () => {
  const servers = pool(['http://127.0.0.1:9']);
  for (const [port, zone] of [
    [1, 'a'],
    [2, 'b'],
    [3, 'a'],
  ] as const) {
    servers.set({ ...upstreamRecord(`http://127.0.0.1:${port}`), labels: { zone } });
  }
  const ids = (zone: string) => servers.labelled('zone', zone).map(({ id }) => id);
  assert.equal(ids('a'), ['http://127.0.0.1:1', 'http://127.0.0.1:3']);
  assert.is(servers.labelled('zone', 'a'), servers.labelled('zone', 'a'), 'one array until the pool changes');
  assert.equal([ids('c'), servers.labelled('rack', 'a')], [[], []]);
  servers.set({ ...upstreamRecord('http://127.0.0.1:1'), state: 'down', labels: { zone: 'a' } });
  servers.set({ ...upstreamRecord('http://127.0.0.1:2'), labels: { zone: 'a' } });
  assert.equal(ids('a'), ['http://127.0.0.1:3', 'http://127.0.0.1:2']);
  assert.equal(ids('b'), []);
  assert.ok(Object.isFrozen(servers.labelled('zone', 'a')));
});

test('reach the pools from config and operators, and change one by one', async () => {
  const side = await managerSide([], { servers: [of(1, 'a')] });
  const labels = () => side.pools.get('default', 'http://127.0.0.1:1')?.upstream.labels;
  assert.equal(labels(), { zone: 'a' });
  await side.pools.update('default', 'http://127.0.0.1:1', { labels: { version: '2' } });
  assert.equal(labels(), { zone: 'a', version: '2' });
  assert.throws(() => Object.assign(labels() ?? {}, { zone: 'x' }));
  await side.close();
});

test('are bounded in number and length, and their names have no spaces', () => {
  const url = 'http://127.0.0.1:1';
  const many = Object.fromEntries(Array.from({ length: 21 }, (_, n) => [`l${n}`, '']));
  for (const labels of [many, { 'two words': 'x' }, { '': 'x' }, { zone: 1 }, { zone: 'x'.repeat(201) }]) {
    assert.not.ok(serverDefinition.safeParse({ url, labels }).success);
  }
  assert.ok(serverDefinition.safeParse({ url, labels: { zone: '' } }).success);
});

// ManagerPools: what the manager side of a plugin may do with the pools, until it ends.
import * as assert from 'uvu/assert';
import { z } from 'zod';
import type { ManagerSide } from '../../../core/plugin/plugin.ts';
import type { ManagerPools } from '../../../core/pool/manager-pools.ts';
import { managerSide, type TestManagerSide } from '../../../core/testing.ts';
import { suite } from '../../support/suite.ts';

const test = suite('the pools of a plugin');

const a = 'http://a:1';
const b = 'http://b:1';

/** A plugin that exposes what it receives. */
class Reader {
  readonly name: string;
  private got: ManagerSide | undefined = undefined;

  constructor(name: string) {
    this.name = name;
  }

  manager(side: ManagerSide): void {
    this.got = side;
  }

  get side(): ManagerSide {
    if (this.got === undefined) throw new Error(`${this.name} was not started`);
    return this.got;
  }

  get pools(): ManagerPools {
    return this.side.pools;
  }
}

const plugin = (name: string): Reader => new Reader(name);

const shown = (side: TestManagerSide, id = a) => {
  const { state, reason } = side.pools.get('default', id)?.upstream.record ?? {};
  return [state, reason];
};

test('are read: names, counts, servers', async () => {
  const reader = plugin('reader');
  await managerSide(reader, { servers: { default: [a, { url: b, state: 'disabled' }], blue: [b] } });
  const { pools } = reader;
  assert.equal(pools.names, ['default', 'blue']);
  assert.equal(pools.counts('default'), { servers: 2, available: 1, standby: 0 });
  assert.is(pools.counts('green'), undefined);
  assert.equal(
    [...pools.list('default')].map(entry => entry.upstream.id),
    [a, b],
  );
  assert.equal([...pools.list('green')], []);
  assert.is(pools.get('blue', b)?.layer, 'config');
  assert.is(pools.get('blue', a), undefined);
});

test('give no plugin more than the contract names, even at run time', async () => {
  const reader = plugin('reader');
  await managerSide(reader, { servers: [a] });
  for (const handed of [reader.pools, reader.side.operator]) {
    for (const hidden of [
      'setConfig',
      'retain',
      'releaseStore',
      'snapshot',
      'workerIdle',
      'options',
      'pools',
    ])
      assert.not.ok(hidden in handed, hidden);
    assert.equal(Object.keys(handed), []);
  }
});

test('take verdicts in the name of the plugin, over a reload', async () => {
  const doctor = plugin('doctor');
  const first = await managerSide(doctor, { servers: [a] });
  doctor.pools.verdict('default', a, 'its pulse is weak');
  assert.equal(shown(first), ['down', 'doctor: its pulse is weak']);
  await first.close();

  const second = await managerSide(doctor, { servers: [a], previous: first });
  assert.equal(shown(second), ['down', 'doctor: its pulse is weak']);
  assert.is(doctor.pools.complaint('default', a), 'its pulse is weak');
  doctor.pools.verdict('default', a, undefined);
  assert.equal(shown(second), ['active', 'healthy again']);
  assert.is(doctor.pools.complaint('default', a), undefined);
});

test('forget the verdicts and the health reports of a plugin that is no longer in the config', async () => {
  const doctor = plugin('doctor');
  const nurse = plugin('nurse');
  const first = await managerSide([doctor, nurse], { servers: [a, b] });
  const report = {
    status: 'passing',
    checkedAt: 1,
    detail: '200',
    consecutiveFailures: 0,
    consecutivePasses: 1,
  };
  doctor.pools.verdict('default', a, 'ill');
  doctor.pools.reportHealth('default', b, { ...report, status: 'passing' });
  nurse.pools.verdict('default', b, 'asleep');
  await first.close();
  const second = await managerSide(nurse, { servers: [a, b], previous: first });
  assert.equal(shown(second, a), ['active', 'healthy again']);
  assert.equal(shown(second, b), ['down', 'nurse: asleep']);
  assert.is(second.pools.get('default', b)?.health, undefined);
});

test('ignore an instance that has ended', async () => {
  const doctor = plugin('doctor');
  const first = await managerSide(doctor, { servers: [a] });
  const ended = doctor.pools;
  const source = ended.source('ward');
  await first.close();
  ended.verdict('default', a, 'too late');
  assert.equal(source.replace('default', [b]), { added: 0, removed: 0, changed: 0 });
  assert.throws(() => ended.source('other'), /doctor has ended/);
  assert.is(shown(first)[0], 'active');
  assert.is(first.pools.get('default', b), undefined);
});

test('are followed until the plugin ends, or stops following', async () => {
  const seen: string[] = [];
  const watcher = plugin('watcher');
  const side = await managerSide(watcher, { servers: [a] });
  watcher.pools.observe({ upstreamChanged: upstream => void seen.push(`first ${upstream.state}`) });
  const stop = watcher.pools.observe({ removed: upstream => void seen.push(`gone ${upstream.id}`) });
  await side.pools.update('default', a, { state: 'disabled' });
  await side.pools.remove('default', a);
  stop();
  await side.pools.add('default', { url: b, weight: 1, state: 'active' });
  await side.pools.remove('default', b);
  await side.close();
  await side.pools.add('default', { url: b, weight: 1, state: 'active' });
  assert.equal(seen, ['first disabled', 'first draining', `gone ${a}`, 'first active', 'first draining']);
});

test('change completely even if an observer throws, which is reported with the name of its plugin', async () => {
  const clumsy = plugin('clumsy');
  const side = await managerSide(clumsy);
  clumsy.pools.observe({
    defined() {
      throw new Error('I fell');
    },
  });
  side.pools.setConfig({
    default: [a, b].map(url => ({ url, weight: 1, state: 'active' })),
  });
  assert.equal(clumsy.pools.counts('default'), { servers: 2, available: 2, standby: 0 });
  assert.equal(
    side.reported.map(({ code, message }) => [code, message]),
    [
      ['PLUGIN_FAILED', 'plugin clumsy in defined of the pools: I fell'],
      ['PLUGIN_FAILED', 'plugin clumsy in defined of the pools: I fell'],
    ],
  );
});

test('hold a setting that operators change field by field, until the plugin ends', async () => {
  const keeper = plugin('keeper');
  const side = await managerSide(keeper);
  const told: unknown[] = [];
  const schema = z.strictObject({ speed: z.number(), name: z.string() });
  const setting = keeper.pools.setting('gear', {
    schema,
    base: { speed: 1, name: 'first' },
    changed: value => void told.push(value),
  });
  const write = (value: object) =>
    side.pools.write([{ kind: 'setting', key: 'gear', op: 'patch', value }], 'a test');
  assert.equal(setting.value, { speed: 1, name: 'first' });
  await write({ speed: 3 });
  assert.equal(setting.value, { speed: 3, name: 'first' });
  await write({ speed: 'fast' }).then(
    () => assert.unreachable('it is no number'),
    error => assert.is(error.code, 'INPUT_INVALID'),
  );
  await side.close();
  await write({ name: 'other' }).catch(() => {});
  assert.equal(told, [{ speed: 3, name: 'first' }]);
});

// The guard of a source: a list that names suspiciously few servers does not replace the previous one.
import * as assert from 'uvu/assert';
import type { SourceChange } from '../../../core/pool/discovery-source.ts';
import { ManagedPools } from '../../../core/pool/managed-pools.ts';
import { PluginPools } from '../../../core/pool/manager-pools.ts';
import type { GuardOptions } from '../../../core/pool/source-guard.ts';
import { FakeClock } from '../../../core/testing.ts';
import { suite } from '../../support/suite.ts';

const test = suite('the guard of a source');

const defaults: GuardOptions = { minServers: 1, allowEmpty: false, maxChange: 0.5, confirmations: 3 };
const servers = (n: number, host = 's') => Array.from({ length: n }, (_, i) => `http://${host}${i}:1`);
const unchanged = { added: 0, removed: 0, changed: 0 };

function world(guard: Partial<GuardOptions> = {}) {
  const managed = new ManagedPools({ clock: new FakeClock(), drainTimeout: 30_000, workers: () => [] });
  managed.setConfig({});
  const plugin = (): PluginPools =>
    new PluginPools({ pools: managed, instance: 'dns', report: assert.unreachable });
  const own = plugin();
  const source = own.source('zone', { ...defaults, ...guard });
  return {
    managed,
    plugin,
    own,
    source,
    put: (list: readonly string[]): SourceChange => source.replace('default', list),
    size: (): number => [...managed.list('default')].filter(entry => !entry.leaving).length,
  };
}

test('keeps the last list when the next one is empty, however often it comes', () => {
  const w = world();
  w.put(servers(2));
  for (let i = 0; i < 10; i++) {
    assert.equal(w.put([]), {
      ...unchanged,
      held: 'it names no servers, where there were 2; allowEmpty: true would let them go',
    });
  }
  assert.is(w.size(), 2);
});

test('accepts an empty list where that is allowed, once it was repeated', () => {
  const w = world({ allowEmpty: true });
  w.put(servers(2));
  assert.match(w.put([]).held ?? '', 'loss greater than maxChange');
  w.put([]);
  assert.equal(w.put([]), { ...unchanged, removed: 2 });
  const none = world({ allowEmpty: true, maxChange: 1 });
  none.put(servers(2));
  assert.is(none.put([]).removed, 2);
});

test('keeps the last list when the next one has fewer servers than the minimum', () => {
  const w = world({ minServers: 3, maxChange: 1 });
  assert.is(w.put(servers(2)).added, 2, 'a first list is taken as it is');
  assert.is(w.put(servers(4)).added, 2);
  for (let i = 0; i < 5; i++) {
    assert.match(w.put(servers(2)).held ?? '', 'it names 2 of 4 servers, fewer than minServers (3)');
  }
  assert.is(w.put(servers(3)).removed, 1);
});

test('accepts a large loss when the same servers were named several times in a row', () => {
  const w = world();
  w.put(servers(10));
  assert.is(w.put(servers(5)).removed, 5, 'half of them may go at once');
  const held =
    'it names 2 of 5 servers, a loss greater than maxChange (0.5); 3 answers in a row with the same servers would confirm it';
  assert.equal(w.put(servers(2)), { ...unchanged, held });
  assert.is(w.put(servers(2).reverse()).held, held);
  assert.is(w.put(servers(2)).removed, 3);
});

test('restarts the count when another list comes in between', () => {
  const w = world();
  w.put(servers(9));
  for (const list of [servers(2), servers(2), servers(3), servers(2), servers(2), servers(9), servers(2)]) {
    w.put(list);
    assert.is(w.size(), 9);
  }
});

test('lets all servers be replaced by as many others at once', () => {
  const w = world();
  w.put(servers(4));
  assert.equal(w.put(servers(4, 'new')), { ...unchanged, added: 4, removed: 4 });
});

test('drops a pool that the source no longer serves', () => {
  const w = world();
  w.put(servers(4));
  assert.is(w.source.leave('default').removed, 4);
  assert.equal(w.source.pools, []);
  assert.equal(w.source.leave('nowhere'), unchanged);
  assert.is(w.managed.pool('nowhere'), undefined);
});

test('continues over a reload, with what it has seen and the new options', () => {
  const w = world();
  w.put(servers(9));
  w.put(servers(2));
  w.own.close();
  const next = w.plugin();
  const source = next.source('zone', { ...defaults, confirmations: 2 });
  w.managed.retain(['dns']);
  assert.is(w.size(), 9);
  assert.is(source.replace('default', servers(2)).removed, 7);
});

test('shows a held list while it is held', () => {
  const w = world();
  w.put(servers(2));
  assert.equal(w.own.sources('default'), [{ source: 'zone', servers: 2 }]);
  const { held = '' } = w.put([]);
  assert.equal(w.own.sources('default'), [{ source: 'zone', servers: 2, held }]);
  w.put(servers(3));
  assert.equal(w.own.sources('default'), [{ source: 'zone', servers: 3 }]);
  assert.equal(w.own.sources('blue'), []);
});

test('exists only where a plugin asks for it', () => {
  const w = world();
  const source = w.plugin().source('plain');
  source.replace('default', servers(3));
  assert.is(source.replace('default', []).removed, 3);
});

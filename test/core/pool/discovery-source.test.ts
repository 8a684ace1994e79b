// DiscoverySource: servers that plugins find, below the config and the operators.
import * as assert from 'uvu/assert';
import type { DiscoverySource } from '../../../core/pool/discovery-source.ts';
import { ManagedPools } from '../../../core/pool/managed-pools.ts';
import { PluginPools } from '../../../core/pool/manager-pools.ts';
import { maxServers } from '../../../core/pool/pool-limits.ts';
import { Pools } from '../../../core/pool/pools.ts';
import type { ServerDefinition } from '../../../core/pool/server-definition.ts';
import { FakeClock } from '../../../core/testing.ts';
import { type Clock, systemClock } from '../../../core/time/clock.ts';
import { suite } from '../../support/suite.ts';
import { errorOf } from '../../support/weldr-error.ts';

const [a, b, c] = ['http://a:1', 'http://b:1', 'http://c:1'] as const;

const server = (url: string, rest: Partial<ServerDefinition> = {}): ServerDefinition => ({
  url,
  weight: 1,

  state: 'active',
  ...rest,
});

/** A manager's pools with worker 1, which reports the end of a drain only when the test says so. */
function world(running: Clock = new FakeClock()) {
  const clock = running instanceof FakeClock ? running : new FakeClock();
  const managed = new ManagedPools({ clock: running, drainTimeout: 30_000, workers: () => [1] });
  const replica = new Pools();
  managed.observe({
    changes: batch => {
      for (const change of batch) replica.apply(change);
    },
  });
  managed.setConfig({});
  return {
    clock,
    managed,
    replica,
    plugin: (instance: string) => new PluginPools({ pools: managed, instance, report: assert.unreachable }),
    /** State, layer and weight of all servers of a pool. */
    shown: (pool = 'default') =>
      Object.fromEntries(
        [...managed.list(pool)].map(({ upstream, layer }) => [
          upstream.id,
          `${upstream.state} ${layer} ${upstream.weight}`,
        ]),
      ),
  };
}

function refusal(call: () => unknown): { code: string; message: string; field: string | undefined } {
  const { code, message, field } = errorOf(call);
  return { code, message, field };
}

// ---

const lists = suite('a list of a source');

lists('puts its servers into the pool, takes out those that are missing, and counts', () => {
  const w = world();
  const source = w.plugin('dns').source('zone');
  assert.equal(source.replace('default', [a, { url: b, weight: 3 }]), { added: 2, removed: 0, changed: 0 });
  assert.equal(w.shown(), { [a]: 'active discovered:zone 1', [b]: 'active discovered:zone 3' });
  assert.equal(source.replace('default', [{ url: b, weight: 5 }, c]), { added: 1, removed: 1, changed: 1 });
  assert.equal(w.shown(), {
    [a]: 'draining discovered:zone 1',
    [b]: 'active discovered:zone 5',
    [c]: 'active discovered:zone 1',
  });
  w.managed.workerIdle(1, 'default', a);
  assert.equal(Object.keys(w.shown()), [b, c]);
  assert.equal(
    [...w.replica.default].map(upstream => upstream.record),
    [...w.managed.default].map(upstream => upstream.record),
  );
});

lists('changes nothing when it is repeated', () => {
  const w = world();
  const source = w.plugin('dns').source('zone');
  const list = [a, { url: b, weight: 2, healthCheck: { path: '/up', expect: [200] } }];
  source.replace('default', list);
  let told = 0;
  w.managed.observe({ defined: () => told++, upstreamChanged: () => told++ });
  const { revision } = w.managed;
  assert.equal(source.replace('default', structuredClone(list).reverse()), {
    added: 0,
    removed: 0,
    changed: 0,
  });
  assert.equal([w.managed.revision, told], [revision, 0]);
});

lists('keeps the requests of a server whose settings change', () => {
  const w = world();
  const source = w.plugin('dns').source('zone');
  source.replace('default', [a]);
  const upstream = w.managed.get('default', a)?.upstream;
  assert.ok(upstream);
  for (let n = 0; n < 3; n++) upstream.begin();
  source.replace('default', [{ url: a, weight: 9, host: 'upstream' }]);
  assert.is(w.managed.get('default', a)?.upstream, upstream);
  assert.equal([upstream.inFlight, upstream.weight, upstream.record.host], [3, 9, 'upstream']);
});

lists('takes back a server that drains because it was missing', () => {
  const w = world();
  const source = w.plugin('dns').source('zone');
  source.replace('default', [a]);
  const upstream = w.managed.get('default', a)?.upstream;
  source.replace('default', []);
  assert.is(upstream?.state, 'draining');
  assert.equal(source.replace('default', [a]), { added: 1, removed: 0, changed: 0 });
  w.clock.advance(60_000);
  w.managed.workerIdle(1, 'default', a);
  assert.is(w.managed.get('default', a)?.upstream, upstream);
  assert.equal([upstream?.state, upstream?.record.reason], ['active', 'active by discovered:zone']);
});

lists('waits for the requests of a missing server as long as a removal does', () => {
  const w = world();
  const source = w.plugin('dns').source('zone');
  source.replace('default', [a]);
  source.replace('default', []);
  w.clock.advance(30_000);
  assert.equal(w.shown(), {});
});

lists('creates a missing pool, and is separate for each pool', () => {
  const w = world();
  const source = w.plugin('dns').source('zone');
  source.replace('blue', [a]);
  source.replace('green', [a, b]);
  source.replace('red', []);
  assert.equal(source.pools, ['blue', 'green']);
  assert.is(w.managed.pool('red')?.size, 0);
  source.replace('blue', []);
  assert.equal([source.pools, w.shown('green')[a]], [['green'], 'active discovered:zone 1']);
});

lists('may disable a server', () => {
  const w = world();
  w.plugin('dns')
    .source('zone')
    .replace('default', [{ url: a, state: 'disabled' }]);
  const { state, reason } = w.managed.get('default', a)?.upstream.record ?? {};
  assert.equal([state, reason], ['disabled', 'disabled by discovered:zone']);
});

lists('is refused as a whole, with the place of the mistake', () => {
  const w = world();
  const source = w.plugin('dns').source('zone');
  source.replace('default', [a]);
  const { revision } = w.managed;
  const refused = (list: unknown) =>
    // A plugin may pass anything, whatever the types say.
    refusal(() => source.replace('default', JSON.parse(JSON.stringify(list))));
  assert.equal(refused([b, { url: c, weight: 0 }]), {
    code: 'INPUT_INVALID',
    message:
      'servers[1].weight: a weight is at least 1; a server that is to get no new requests has state "draining" or "disabled"',
    field: 'servers[1].weight',
  });
  assert.is(refused([b, 'c:1']).field, 'servers[1].url');
  assert.is(refused([b, null]).field, 'servers[1]');
  assert.is(
    refused([{ url: b, wieght: 2 }]).message,
    'servers[0].wieght: there is no such option; did you mean weight?',
  );
  assert.match(
    refused([{ url: b, ttl: '30s' }]).message,
    /^servers\[0\]\.ttl: a source ends a server by leaving it out/,
  );
  assert.equal(refused([b, c, 'HTTP://B:1/']), {
    code: 'INPUT_INVALID',
    message: 'servers[2]: http://b:1 is listed twice',
    field: 'servers[2]',
  });
  assert.is(refused({ url: b }).field, 'servers');
  assert.is(refusal(() => source.replace('no pool', [b])).field, 'pool');
  assert.is(w.managed.revision, revision);
  assert.equal([w.shown(), w.managed.pool('no pool')], [{ [a]: 'active discovered:zone 1' }, undefined]);
});

lists('is bounded by the limit of servers in all pools', () => {
  // A fake clock keeps its timers in a list, and each server that drains has one.
  const w = world(systemClock);
  w.managed.setConfig({ blue: [server(a)] });
  const source = w.plugin('dns').source('zone');
  const many = (n: number, net: number): string[] =>
    Array.from({ length: n }, (_, i) => `http://10.${net}.${i >> 8}.${i & 255}`);
  assert.is(refusal(() => source.replace('default', many(maxServers, 1))).code, 'LIMIT_REACHED');
  assert.is(w.managed.default.size, 0);
  source.replace('default', many(maxServers - 1, 1));
  assert.is(refusal(() => source.replace('green', [a])).code, 'LIMIT_REACHED');
  assert.is(w.managed.pool('green'), undefined);
  // The list may be replaced by another while all of the first still drain, but not again and again.
  source.replace('default', many(maxServers - 1, 2));
  assert.is(refusal(() => source.replace('default', many(maxServers - 1, 3))).code, 'LIMIT_REACHED');
  w.managed.workerGone(1);
  source.replace('default', many(maxServers - 1, 3));
  w.managed.workerGone(1);
});

lists('of ten thousand is accepted, and a repetition touches only what differs', () => {
  const w = world();
  const source = w.plugin('dns').source('zone');
  const list = Array.from({ length: 10_000 }, (_, i) => `http://10.0.${i >> 8}.${i & 255}`);
  assert.is(source.replace('default', list).added, 10_000);
  const { revision } = w.managed;
  assert.equal(source.replace('default', [a, ...list.slice(1)]), { added: 1, removed: 1, changed: 0 });
  assert.is(w.managed.revision, revision + 2);
});

// ---

const layers = suite('the layers of a source');

layers(
  'are below the config: its servers are as the config says, and stay when the config drops them',
  () => {
    const w = world();
    const source = w.plugin('dns').source('zone');
    source.replace('default', [{ url: a, weight: 2 }]);
    w.managed.setConfig({ default: [server(a, { weight: 7 })] });
    assert.equal(w.shown(), { [a]: 'active config 7' });
    const { revision } = w.managed;
    assert.equal(source.replace('default', [{ url: a, weight: 3 }]), { added: 0, removed: 0, changed: 1 });
    assert.is(w.managed.revision, revision);
    w.managed.setConfig({});
    assert.equal(w.shown(), { [a]: 'active discovered:zone 3' });
  },
);

layers('are below operators: their change stays, and a reset undoes it', async () => {
  const w = world();
  const source = w.plugin('dns').source('zone');
  source.replace('default', [a]);
  await w.managed.update('default', a, { weight: 4 });
  source.replace('default', [{ url: a, weight: 9 }]);
  assert.equal(w.shown(), { [a]: 'active discovered:zone 4' });
  await w.managed.state.reset('a test');
  assert.equal(w.shown(), { [a]: 'active discovered:zone 9' });
});

layers('keep out what an operator removed, even when found again, until it is added again', async () => {
  const w = world();
  const source = w.plugin('dns').source('zone');
  source.replace('default', [a, b]);
  await w.managed.remove('default', a, { force: true });
  assert.equal(Object.keys(w.shown()), [b]);
  source.replace('default', [{ url: a, weight: 2 }, b]);
  source.replace('default', [b]);
  source.replace('default', [a, b]);
  assert.equal(Object.keys(w.shown()), [b]);
  assert.equal(
    [...w.managed.state.all].map(({ op, key }) => [op, key]),
    [['remove', `default/${a}`]],
  );
  await w.managed.add('default', server(a));
  assert.is(w.shown()[a], 'active discovered:zone 1');
});

layers('are never stored', () => {
  const w = world();
  w.plugin('dns').source('zone').replace('default', [a]);
  assert.equal([...w.managed.state.all], []);
});

layers('have the order of the config where two name the same server', () => {
  const w = world();
  const [late, early] = [w.plugin('late'), w.plugin('early')];
  const one = late.source('late-zone');
  one.replace('default', [{ url: a, weight: 2 }, c]);
  const other = early.source('early-zone');
  other.replace('default', [{ url: a, weight: 3 }, b]);
  assert.is(w.shown()[a], 'active discovered:late-zone 2');
  w.managed.retain(['early', 'late']);
  assert.equal(w.shown(), {
    [a]: 'active discovered:early-zone 3',
    [b]: 'active discovered:early-zone 1',
    [c]: 'active discovered:late-zone 1',
  });
  other.replace('default', [b]);
  assert.is(w.shown()[a], 'active discovered:late-zone 2');
});

layers('give a source that is requested later the place of its plugin', () => {
  const w = world();
  const [first, second] = [w.plugin('first'), w.plugin('second')];
  w.managed.retain(['first', 'second']);
  second.source('two').replace('default', [a]);
  first.source('one').replace('default', [a]);
  assert.is(w.shown()[a], 'active discovered:one 1');
});

// ---

const owners = suite('the plugin of a source');

owners('gets the same source from each call, and none that another plugin has', () => {
  const w = world();
  const [dns, file] = [w.plugin('dns'), w.plugin('file')];
  dns.source('zone').replace('default', [a]);
  assert.equal(dns.source('zone').replace('default', [a]), { added: 0, removed: 0, changed: 0 });
  assert.equal(
    refusal(() => file.source('zone')),
    {
      code: 'CONFIG_INVALID',
      message: 'dns and file both call their source zone; give one of them another name',
      field: undefined,
    },
  );
  assert.is(refusal(() => file.source('a zone')).code, 'INPUT_INVALID');
  assert.is(
    refusal(() => {
      for (let i = 0; i <= 100; i++) file.source(`zone-${i}`);
    }).code,
    'LIMIT_REACHED',
  );
});

owners('keeps what its predecessor found after a reload, until it replaces it', () => {
  const w = world();
  const before = w.plugin('dns');
  before.source('zone').replace('default', [a, b]);
  w.managed.retain(['dns']);
  const { revision } = w.managed;
  before.close();
  const after = w.plugin('dns').source('zone');
  w.managed.setConfig({});
  w.managed.retain(['dns']);
  assert.is(w.managed.revision, revision);
  assert.equal(after.pools, ['default']);
  assert.equal(after.replace('default', [b, c]), { added: 1, removed: 1, changed: 0 });
});

owners('is not disturbed by anything that its predecessor still does', () => {
  const w = world();
  const before = w.plugin('dns');
  const old = before.source('zone');
  const after = w.plugin('dns').source('zone');
  after.replace('default', [a]);
  assert.equal(old.replace('default', [b]), { added: 0, removed: 0, changed: 0 });
  before.close();
  w.managed.retain(['dns']);
  assert.equal(w.shown(), { [a]: 'active discovered:zone 1' });
  assert.equal(after.replace('default', [a, b]), { added: 1, removed: 0, changed: 0 });
});

owners('takes its servers along when the config drops it, at the end of the reload', () => {
  const w = world();
  const dns = w.plugin('dns');
  const source = dns.source('zone');
  source.replace('default', [a, b]);
  dns.close();
  w.managed.setConfig({ default: [server(b)] });
  assert.is(w.shown()[a], 'active discovered:zone 1');
  w.managed.retain(['file']);
  assert.equal(w.shown(), { [a]: 'draining discovered:zone 1', [b]: 'active config 1' });
  assert.equal(source.replace('default', [a]), { added: 0, removed: 0, changed: 0 });
  w.managed.workerIdle(1, 'default', a);
  assert.equal(Object.keys(w.shown()), [b]);
});

owners('that claims other sources after a reload leaves no old ones', () => {
  const w = world();
  const before = w.plugin('dns');
  before.source('old').replace('default', [a]);
  before.close();
  w.plugin('dns').source('new').replace('default', [b]);
  w.managed.retain(['dns']);
  assert.equal(w.shown(), { [a]: 'draining discovered:old 1', [b]: 'active discovered:new 1' });
});

owners('gets what the previous process found, as after a reload, and drops what no plugin claims', () => {
  const old = world();
  old
    .plugin('dns')
    .source('zone')
    .replace('blue', [{ url: a, weight: 3, healthCheck: { interval: '5s' } }]);
  old.plugin('file').source('list').replace('default', [b]);
  const w = world();
  const nonsense = { source: 'zone', pool: 'red', servers: [server('nonsense')] };
  const { found = [], ...heritage } = JSON.parse(JSON.stringify(old.managed.heritage));
  w.managed.inherit({ ...heritage, found: [nonsense, ...found] });
  const source = w.plugin('dns').source('zone');
  assert.equal(source.pools, ['blue']);
  w.managed.retain(['dns']);
  assert.equal(w.shown('blue'), { [a]: 'active discovered:zone 3' });
  assert.equal(w.shown(), { [b]: 'draining discovered:list 1' });
  const { revision } = w.managed;
  source.replace('blue', [{ url: a, weight: 3, healthCheck: { interval: '5s' } }]);
  assert.is(w.managed.revision, revision);
});

owners('may pass its source to another without any change to the servers', () => {
  const w = world();
  const before = w.plugin('dns');
  before.source('zone').replace('default', [a]);
  before.close();
  const source: DiscoverySource = w.plugin('consul').source('zone');
  const { revision } = w.managed;
  w.managed.retain(['consul']);
  source.replace('default', [a]);
  assert.is(w.managed.revision, revision);
});

// What all plugins that find servers share: log lines written once, metrics, and their pool.
import * as assert from 'uvu/assert';
import { z } from 'zod';
import { checkConfig } from '../../../core/config/config.ts';
import { definePlugin } from '../../../core/plugin/define-plugin.ts';
import {
  discoveryOptions,
  guardOf,
  poolOf,
  sourceNameOf,
  warnOfDiscovery,
} from '../../../core/plugin/discovery-options.ts';
import { FoundServers } from '../../../core/plugin/found-servers.ts';
import { firstAvailable, managerSide, type TestManagerSide } from '../../../core/testing.ts';
import { suite } from '../../support/suite.ts';

const test = suite('servers that a plugin found');

/** A plugin that finds what the test says. */
function finder() {
  let found: FoundServers | undefined;
  const plugin = definePlugin({
    name: 'finder',
    schema: z.strictObject(discoveryOptions),
    check: warnOfDiscovery,
    manager({ pools, scope, log, clock, metrics }, options) {
      const pool = poolOf(options, scope);
      const source = pools.source(sourceNameOf(options, 'zone', pool), guardOf(options));
      found = new FoundServers({ source, place: 'the zone', log, clock, metrics });
    },
  });
  return {
    plugin,
    get found(): FoundServers {
      assert.ok(found);
      return found;
    },
  };
}

const lines = (side: TestManagerSide) =>
  side.logs.filter(({ plugin }) => plugin === 'finder').map(({ level, msg }) => `${level}: ${msg}`);

const metricsOf = (side: TestManagerSide): string[] =>
  side.sums
    .collect(() => undefined)
    .flatMap(({ name, samples }) =>
      samples.map(
        sample =>
          `${name} ${Object.values(sample.labels).join(' ')} ${'value' in sample ? sample.value : ''}`,
      ),
    )
    .sort();

test('are logged as kept once while the source fails, and once when it has recovered', async () => {
  const own = finder();
  const side = await managerSide(own.plugin({ pool: 'api' }));
  const { found } = own;
  found.put('api', ['http://a:1', 'http://b:1']);
  for (let i = 0; i < 3; i++) found.failed('no name server answers');
  for (let i = 0; i < 3; i++) found.put('api', []);
  for (let i = 0; i < 3; i++) found.put('api', ['http://a:1', 'nonsense']);
  found.put('api', ['http://a:1', 'http://b:1']);
  assert.equal(lines(side), [
    'error: the zone: no name server answers; the previous servers stay',
    'warn: the zone: it names no servers, where there were 2; allowEmpty: true would let them go; the previous servers stay',
    'info: the zone: it has recovered',
    'error: the zone: servers[1].url: "nonsense" is not a server\'s URL: expected http://HOST:PORT, https://HOST:PORT or h2c://HOST:PORT with no user, path or query, or unix:/PATH; did you mean "http://nonsense"?; the previous servers stay',
    'info: the zone: it has recovered',
  ]);
  await side.close();
});

test('are logged as gone in one sentence with its reason', async () => {
  const own = finder();
  const side = await managerSide(own.plugin({ pool: 'api' }));
  const { found } = own;
  found.put('api', [], { why: 'it has no address' });
  found.put('api', ['http://a:1']);
  found.put('api', [], { why: 'it has no address' });
  assert.equal(lines(side), [
    'warn: the zone: it has no address, so it names no server for the pool api',
    'info: the zone: it has recovered',
    'warn: the zone: it has no address, so it names no servers, where there were 1; allowEmpty: true would let them go; the previous servers stay',
  ]);
  await side.close();
});

test('are counted, and so are held lists', async () => {
  const own = finder();
  const side = await managerSide(own.plugin());
  const { found } = own;
  found.put('default', ['http://a:1', 'http://b:1']);
  found.put('default', []);
  found.failed('no name server answers');
  const seconds = Math.floor(side.clock.now() / 1000);
  assert.equal(metricsOf(side), [
    'discovery_failures_total zone-default 1',
    'discovery_held zone-default default 1',
    `discovery_last_answer_seconds zone-default ${seconds}`,
    'discovery_servers zone-default default 2',
  ]);
  found.leave('default');
  assert.ok(metricsOf(side).includes('discovery_servers zone-default default 0'));
  assert.is([...side.pools.list('default')].length, 0);
  await side.close();
});

test('go to the pool that lists the plugin, or the one that it names', () => {
  assert.is(poolOf({}, { kind: 'config' }), 'default');
  assert.is(poolOf({ pool: 'api' }, { kind: 'config' }), 'api');
  assert.is(poolOf({}, { kind: 'pool', name: 'api' }), 'api');
  assert.throws(
    () => poolOf({ pool: 'blue' }, { kind: 'pool', name: 'api' }),
    /it is in the pool api but names the pool blue/,
  );
  assert.is(sourceNameOf({}, 'dns', 'p'.repeat(63)).length, 63);
});

test('cause a warning when the config does not have their pool', () => {
  const warnings = (pool: string): unknown => {
    const own = finder();
    return checkConfig({ pools: { api: [] }, plugins: [firstAvailable, own.plugin({ pool })] }).remarks
      .warnings;
  };
  assert.equal(warnings('api'), []);
  assert.equal(warnings('apo'), [
    'plugins[1].pool: the config has no pool apo, so none of its routes can name it; did you mean api?',
  ]);
  assert.equal(warnings('orders'), [
    'plugins[1].pool: the config has no pool orders, so none of its routes can name it; list it, pools: { "orders": [] }',
  ]);
});

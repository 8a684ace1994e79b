// The check of a config: pools, fallbacks and plugins, with the places of mistakes.
import * as assert from 'uvu/assert';
import { checkConfig, defineConfig, inFile } from '../../../core/config/config.ts';
import { WeldrError } from '../../../core/errors.ts';
import type { Plugin } from '../../../core/plugin/plugin.ts';
import { serversOf } from '../../../core/settings/settings.ts';
import { suite } from '../../support/suite.ts';

const config = suite('a config');
const bare: Plugin = { name: 'bare' };

config('is returned unchanged by defineConfig', () => {
  const written = { plugins: [bare] };
  assert.is(defineConfig(written), written);
});

config('has pools as lists and as objects, and the servers at its top are the pool default', () => {
  const { settings } = checkConfig({
    servers: ['http://d:1'],
    pools: {
      a: ['http://a:1'],
      b: { servers: [{ url: 'http://b:1', weight: 3 }], fallback: 'a' },
      default: [],
    },
    plugins: [],
  });
  assert.equal(
    Object.entries(serversOf(settings)).map(([name, servers]) => [
      name,
      servers.map(s => `${s.url} ${s.weight}`),
    ]),
    [
      ['a', ['http://a:1 1']],
      ['b', ['http://b:1 3']],
      ['default', ['http://d:1 1']],
    ],
  );
  assert.equal([settings.pools['a']?.fallback, settings.pools['b']?.fallback], [undefined, 'a']);
  const other = checkConfig({ pools: { default: ['http://d:2'] }, plugins: [] }).settings;
  assert.equal(
    serversOf(other)['default']?.map(s => s.url),
    ['http://d:2'],
  );
});

config('gives the plugins of pools their scope, after its own plugins', () => {
  const { plugins, settings } = checkConfig({
    pools: { a: { servers: [], plugins: ['shared', bare] } },
    define: { shared: { name: 'shared' } },
    plugins: [bare],
  });
  assert.equal(
    plugins.map(({ name, scope }) => [name, scope.kind]),
    [
      ['bare', 'config'],
      ['pool:a/shared', 'pool'],
      ['pool:a/bare', 'pool'],
    ],
  );
  assert.equal(settings.pools['a']?.plugins, ['shared'], 'settings are data: names only');
});

config('prefers overrides to its own settings', () => {
  const { settings } = checkConfig({ plugins: [], workers: 1, logLevel: 'info' }, { workers: 2 });
  assert.equal([settings.workers, settings.logLevel], [2, 'info']);
});

const wrong: [config: object, field: string, message: string][] = [
  [
    { servers: ['http://a'], pools: { default: ['http://b'] } },
    'servers',
    'servers: these are the servers of the pool default, which pools.default lists too; keep one list',
  ],
  [
    { pools: { a: { fallback: 'b' } } },
    'pools.a.fallback',
    'pools.a.fallback: there is no pool "b"; there are default, a',
  ],
  [{ pools: { a: { fallback: 'a' } } }, 'pools.a.fallback', 'pools.a.fallback: forms a cycle: a -> a'],
  [
    { pools: { a: { fallback: 'b' }, b: { fallback: 'c' }, c: { fallback: 'a' } } },
    'pools.c.fallback',
    'pools.c.fallback: forms a cycle: a -> b -> c -> a',
  ],
  [
    { pools: { a: { fallback: 'default' }, default: { fallback: 'a' } } },
    'pools.default.fallback',
    'pools.default.fallback: forms a cycle: a -> default -> a',
  ],
  [
    { pools: { a: { fallback: 'toString' } } },
    'pools.a.fallback',
    'pools.a.fallback: there is no pool "toString"',
  ],
  [{ pools: { a: { serves: [] } } }, 'pools.a.serves', 'pools.a.serves: there is no such option'],
  [
    { pools: { a: ['ftp://x'] } },
    'pools.a.servers[0].url',
    'pools.a.servers[0].url: "ftp://x" is not a server',
  ],
  [{ pools: { a: { plugins: 'x' } } }, 'pools.a.plugins', 'pools.a.plugins: expected array, got "x"'],
  [
    { pools: { a: { plugins: ['x'] } } },
    'pools.a.plugins[0]',
    'pools.a.plugins[0]: there is no plugin "x" in define',
  ],
  [{ define: { a: 5 } }, 'define.a', 'define.a: expected a plugin such as roundRobin(), got 5'],
];
for (const [text, field, message] of wrong) {
  config(`is refused for ${JSON.stringify(text)}`, () => {
    try {
      checkConfig({ plugins: [], ...text });
    } catch (thrown) {
      assert.ok(thrown instanceof WeldrError);
      assert.equal([thrown.code, thrown.field], ['CONFIG_INVALID', field]);
      assert.ok(thrown.message.startsWith(message), thrown.message);
      return;
    }
    assert.unreachable('it was taken');
  });
}

config('may have a fallback of default, and a chain of them', () => {
  checkConfig({ pools: { a: { fallback: 'b' }, b: { fallback: 'default' } }, plugins: [] });
});

config('puts the name of its file before each line of its problems', () => {
  const error = inFile(
    '/srv/weldr.config.ts',
    new WeldrError('CONFIG_INVALID', 'a: x\nb: y', { field: 'a' }),
  );
  assert.equal([error.message, error.field], ['weldr.config.ts: a: x\nweldr.config.ts: b: y', 'a']);
});

// DefinedPlugins: what a list of names makes of a pool's plugins, with those of the config.
import * as assert from 'uvu/assert';
import { WeldrError } from '../../../core/errors.ts';
import { instantiateAll } from '../../../core/plugin/plugin-lists.ts';
import { suite } from '../../support/suite.ts';

const test = suite('lists of define');

const named = (name: string) => ({ name });
const define = { a: named('a'), b: named('b'), c: named('c') };
const api = { kind: 'pool', name: 'api' } as const;

const { defined } = instantiateAll({
  plugins: [],
  define,
  pools: { api: [named('first'), 'a', named('second'), 'b'] },
});

const listOf = (names: readonly string[] | undefined): string[] =>
  defined.instancesOf(api, names).map(({ name }) => name.replace('pool:api/', ''));

test('a list takes the places of the names of the config, and what is made in place stays', () => {
  assert.equal(listOf(undefined), ['first', 'a', 'second', 'b']);
  assert.equal(listOf(['b', 'a']), ['first', 'b', 'second', 'a']);
  assert.equal(listOf(['c']), ['first', 'c', 'second']);
  assert.equal(listOf(['a', 'b', 'c']), ['first', 'a', 'second', 'b', 'c']);
  assert.equal(listOf([]), ['first', 'second']);
  assert.equal(
    [defined.configuredNames(api), defined.madeInPlace(api)],
    [
      ['a', 'b'],
      ['first', 'second'],
    ],
  );
});

test('a scope that the config does not have is made of names alone', () => {
  const scope = { kind: 'route', name: 'new' } as const;
  assert.equal(
    defined.instancesOf(scope, ['b']).map(({ name, scope }) => [name, scope]),
    [['route:new/b', scope]],
  );
  assert.equal(defined.instancesOf(scope, undefined), []);
});

test('what is made in place and what is named may be at odds', () => {
  const balancer = (name: string) => ({ name, role: 'balancer' as const });
  const lists = instantiateAll({
    plugins: [],
    define: { least: balancer('least') },
    pools: { api: [balancer('own')] },
  });
  try {
    lists.defined.instancesOf(api, ['least']);
    assert.unreachable();
  } catch (thrown) {
    assert.instance(thrown, WeldrError);
    assert.match(String(thrown), 'plugins[0]: pools.api.plugins[0] is the balancer already');
  }
  const { instances, problems } = lists.defined.usableOf(api, ['least']);
  assert.equal([instances.map(({ name }) => name), problems.length], [['pool:api/own'], 1]);
});

// DefinedPlugins: the plugins that a pool has from the config and a list of names.
import * as assert from 'uvu/assert';
import { WeldrError } from '../../../core/errors.ts';
import { instantiateAll } from '../../../core/plugin/plugin-lists.ts';
import { suite } from '../../support/suite.ts';

const test = suite('lists of names');

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

test('a list replaces the names of the config; plugins made in place stay', () => {
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

test('a scope that the config does not have gets the named plugins only', () => {
  const scope = { kind: 'route', name: 'new' } as const;
  assert.equal(
    defined.instancesOf(scope, ['b']).map(({ name, scope }) => [name, scope]),
    [['route:new/b', scope]],
  );
  assert.equal(defined.instancesOf(scope, undefined), []);
});

test('a named plugin that conflicts with one made in place is refused, or left out with a problem', () => {
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

// PluginLists: names, places, ids, roles, options and versions, as a config is read.
import * as assert from 'uvu/assert';
import { z } from 'zod';
import type { WeldrError } from '../../../core/errors.ts';
import { duration } from '../../../core/options/duration.ts';
import { definePlugin, withId } from '../../../core/plugin/define-plugin.ts';
import { contractVersion, type Plugin } from '../../../core/plugin/plugin.ts';
import { instantiate, type PluginLists } from '../../../core/plugin/plugin-lists.ts';
import { RolesByPool } from '../../../core/plugin/roles-by-pool.ts';
import { suite } from '../../support/suite.ts';
import { errorOf } from '../../support/weldr-error.ts';

const limit = definePlugin({
  name: 'rate-limit',
  schema: z.strictObject({ rate: z.number().default(10), per: duration().default(1000) }),
});
const bare: Plugin = { name: 'bare' };
const balancer = (name: string): Plugin => ({ name, role: 'balancer' });

/** Plugins within conditions, or within routes. */
const within = (name: string, kind: 'when' | 'route', ...plugins: (Plugin | string)[]): Plugin => ({
  name: `${kind}s`,
  children: [{ scope: kind === 'when' ? { kind, name, condition: () => true } : { kind, name }, plugins }],
});

const problemOf = (lists: PluginLists): WeldrError => errorOf(() => instantiate(lists));

const names = suite('the name of an instance');

names('is also given to an object of a class, which keeps its sides', () => {
  class Counting implements Plugin {
    readonly name = 'counting';
    worker(): void {}
  }
  const [one, two] = instantiate({ plugins: [new Counting(), withId('two', new Counting())] });
  assert.equal([one?.name, two?.name], ['counting', 'counting#two']);
  assert.type(two?.plugin.worker, 'function');
});

names('is scope, name and id', () => {
  const instances = instantiate({
    plugins: [
      limit({ rate: 1 }),
      withId('bursts', limit()),
      within('login', 'when', limit()),
      within('api', 'route', limit(), within('get', 'when', withId('x', bare))),
    ],
    pools: { api: [limit()], 'b.c': [withId('second', limit())] },
  });
  assert.equal(
    instances.map(instance => instance.name),
    [
      'rate-limit',
      'rate-limit#bursts',
      'whens',
      'when:login/rate-limit',
      'routes',
      'route:api/rate-limit',
      'route:api/whens',
      'route:api/when:get/bare#x',
      'pool:api/rate-limit',
      'pool:b.c/rate-limit#second',
    ],
  );
  assert.equal(
    instances.map(({ scope, conditions }) => [scope.kind === 'config' ? '' : scope.name, conditions.length]),
    [
      ['', 0],
      ['', 0],
      ['', 0],
      ['', 1],
      ['', 0],
      ['api', 0],
      ['api', 0],
      ['api', 1],
      ['api', 0],
      ['b.c', 0],
    ],
  );
});

names('is unique: the error for a second one says where the first is, and what to do', () => {
  const twice: [lists: PluginLists, field: string, message: string][] = [
    [
      { plugins: [limit(), bare, limit()] },
      'plugins[2]',
      "plugins[2]: plugins[0] is named rate-limit already; keep one, or name this one withId('…', …)",
    ],
    [
      { plugins: [withId('a', limit()), withId('a', limit())] },
      'plugins[1]',
      "plugins[1]: plugins[0] is named rate-limit#a already; keep one, or name this one withId('…', …)",
    ],
    [
      { plugins: [], pools: { api: [bare, bare] } },
      'pools.api.plugins[1]',
      "pools.api.plugins[1]: pools.api.plugins[0] is named pool:api/bare already; keep one, or name this one withId('…', …)",
    ],
  ];
  for (const [lists, field, message] of twice) {
    const error = problemOf(lists);
    assert.equal([error.code, error.field, error.message], ['CONFIG_INVALID', field, message]);
  }
});

const roles = suite('the role of a plugin');

roles('can be taken once at a place, and again further in', () => {
  instantiate({
    plugins: [balancer('a'), within('x', 'when', balancer('b')), within('y', 'route', balancer('c'))],
    pools: { api: [balancer('d')] },
  });
  const error = problemOf({ plugins: [balancer('a'), bare, balancer('b')] });
  assert.is(error.message, 'plugins[2]: plugins[0] is the balancer already; there can be only one in a list');
  assert.match(
    problemOf({ plugins: [], pools: { api: [balancer('a'), withId('x', balancer('a'))] } }).message,
    'pools.api.plugins[1]: pools.api.plugins[0] is the balancer already',
  );
});

roles('is resolved for each pool', () => {
  const all = instantiate({
    plugins: [balancer('outer'), bare],
    pools: { api: [balancer('inner'), limit()] },
  });
  const byPool = new RolesByPool(all);
  const inCharge = (pool: string): string[] =>
    all.filter(instance => byPool.covers(instance, pool)).map(instance => instance.name);
  assert.equal(inCharge('default'), ['outer', 'bare']);
  assert.equal(inCharge('api'), ['bare', 'pool:api/inner', 'pool:api/rate-limit']);
});

const define = suite('define');

define('gives plugins names that pools and routes use', () => {
  const lists = { define: { gate: limit({ rate: 3 }) }, pools: { api: ['gate'], b: ['gate'] } };
  const instances = instantiate({ plugins: [within('r', 'route', 'gate')], ...lists });
  assert.equal(
    instances.map(({ name, options }) => [name, options]),
    [
      ['routes', undefined],
      ['route:r/rate-limit', { rate: 3, per: 1000 }],
      ['pool:api/rate-limit', { rate: 3, per: 1000 }],
      ['pool:b/rate-limit', { rate: 3, per: 1000 }],
    ],
  );
});

define('suggests the intended name for one that it lacks', () => {
  assert.is(
    problemOf({ plugins: [], pools: { api: ['gat'] }, define: { gate: bare, auth: limit() } }).message,
    'pools.api.plugins[0]: there is no plugin "gat" in define; did you mean "gate"?',
  );
  assert.is(
    problemOf({ plugins: [], pools: { api: ['toString'] } }).message,
    'pools.api.plugins[0]: there is no plugin "toString" in define',
  );
});

define('holds only plugins', () => {
  assert.match(
    problemOf({ plugins: [], define: { gate: limit } }).message,
    'define.gate: expected a plugin such as roundRobin(), got the function of rate-limit: call it',
  );
});

const contract = suite('the version of the contract');

contract('is the current one, or the plugin is refused with both', () => {
  instantiate({ plugins: [{ name: 'a', contract: contractVersion }, bare] });
  const error = problemOf({ plugins: [bare, { name: 'old', contract: 1 }] });
  assert.is(
    error.message,
    `plugins[1]: old is written for version 1 of the plugin contract; this Weldr has ${contractVersion}`,
  );
  const factory = definePlugin({ name: 'newer', contract: contractVersion + 1 });
  assert.match(problemOf({ plugins: [factory()] }).message, 'newer is written for version');
});

const options = suite('the options of a plugin');

options('are parsed once, with defaults', () => {
  let parsed = 0;
  const counting = definePlugin({
    name: 'counting',
    schema: z.strictObject({ n: z.number().default(1) }).transform(value => {
      parsed++;
      return value;
    }),
  });
  const [one, two] = instantiate({ plugins: [counting(), withId('x', counting({ n: 2 }))] });
  assert.equal([one?.options, two?.options, parsed], [{ n: 1 }, { n: 2 }, 2]);
});

options('say where they are wrong', () => {
  const wrong = limit({ per: 'soon' });
  const places: [lists: PluginLists, message: string][] = [
    [{ plugins: [bare, wrong] }, 'plugins[1].per: expected a duration such as "30s", got "soon"'],
    [{ plugins: [], pools: { api: [wrong] } }, 'pools.api.plugins[0].per: expected a duration'],
    [{ plugins: [bare, within('x', 'when', bare, wrong)] }, 'plugins[1].plugins[1].per: expected a duration'],
    [{ plugins: [limit({ rat: 1 } as never)] }, 'plugins[0].rat: there is no such option'],
    [{ plugins: [limit(5 as never)] }, 'plugins[0]: expected object, got 5'],
  ];
  for (const [lists, message] of places) {
    const error = problemOf(lists);
    assert.is(error.code, 'CONFIG_INVALID');
    assert.ok(error.message.startsWith(message), error.message);
  }
});

options('are refused where a plugin takes none', () => {
  const none = definePlugin({ name: 'none' });
  instantiate({ plugins: [none()] });
  assert.is(
    problemOf({ plugins: [(none as (o: unknown) => Plugin)({ a: 1 })] }).message,
    'plugins[0]: none takes no options',
  );
});

const lists = suite('a list of plugins');

const circle: Record<string, unknown> = {};
circle['self'] = circle;
for (const [what, value, message] of [
  ['nothing', undefined, 'got nothing'],
  [
    'a factory that was not called',
    limit,
    'got the function of rate-limit: call it, with (), to make the plugin',
  ],
  ['a function', function mine() {}, 'got the function mine: call it, with (), to make the plugin'],
  ['an object without a name', { nam: 1 }, 'got {"nam":1}'],
  ['an object whose side is not a function', { name: 'x', worker: 1 }, 'got {"name":"x","worker":1}'],
  ['an object that refers to itself', circle, 'got '],
  ['a number', 5, 'got 5'],
] as const) {
  lists(`refuses ${what}`, () => {
    const error = problemOf({ plugins: [bare, value] });
    assert.is(error.field, 'plugins[1]');
    assert.match(error.message, `plugins[1]: expected a plugin such as roundRobin(), ${message}`);
  });
}

for (const [key, message] of [
  ['wroker', 'plugins[1].wroker: there is no such part of a plugin; did you mean worker?'],
  ['Manager', 'plugins[1].Manager: there is no such part of a plugin; did you mean manager?'],
  ['option', 'plugins[1].option: there is no such part of a plugin; did you mean options?'],
  [
    'somethingElse',
    'plugins[1].somethingElse: there is no such part of a plugin; known: name, id, contract, role, schema, options, memory, kind, children, stored, check, leadershipNeed, worker, manager',
  ],
] as const) {
  lists(`refuses and names an unknown key of a plain object: ${key}`, () => {
    const error = problemOf({ plugins: [bare, { name: 'x', [key]() {} }] });
    assert.equal([error.code, error.field, error.message], ['CONFIG_INVALID', `plugins[1].${key}`, message]);
  });
}

lists('refuses such a key wherever the plugin is', () => {
  const wrong = { name: 'x', wroker() {} };
  const places: [lists: PluginLists, field: string][] = [
    [{ plugins: [], pools: { api: [wrong] } }, 'pools.api.plugins[0].wroker'],
    [{ plugins: [], define: { it: wrong } }, 'define.it.wroker'],
    [{ plugins: [within('x', 'when', wrong)] }, 'plugins[0].plugins[0].wroker'],
    [{ plugins: [withId('x', wrong)] }, 'plugins[0].wroker'],
    [{ plugins: [Object.assign(Object.create(null), wrong)] }, 'plugins[0].wroker'],
  ];
  for (const [given, field] of places) assert.is(problemOf(given).field, field);
});

lists('accepts an object of a class, whatever other fields it has', () => {
  class Counting {
    readonly name = 'counting';
    count = 0;
    worker(): void {
      this.count++;
    }
  }
  assert.is(instantiate({ plugins: [new Counting()] })[0]?.name, 'counting');
});

lists('refuses and names an unknown role', () => {
  const error = problemOf({ plugins: [{ name: 'x', role: 'balencer', worker() {} }] });
  assert.equal(
    [error.field, error.message],
    ['plugins[0].role', 'plugins[0].role: there is no role "balencer"; did you mean balancer?'],
  );
});

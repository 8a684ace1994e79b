// The index of routes against a naive model: all routes in order, each asked as matchers are.
import * as assert from 'uvu/assert';
import { compileMatcher } from '../../../core/request/compiled-matcher.ts';
import type { ProxyContext } from '../../../core/request/context.ts';
import { RequestFacts } from '../../../core/request/request-facts.ts';
import { context } from '../../../core/testing.ts';
import type { IndexedRoute } from '../../../plugins/routes/route-entry.ts';
import { RouteIndex } from '../../../plugins/routes/route-index.ts';
import { randomOf } from '../../support/random.ts';
import { suite } from '../../support/suite.ts';

const test = suite('the index of routes');

const hosts: [string, ...string[]] = [
  'a.test',
  'b.test',
  'x.a.test',
  '*.test',
  '*.a.test',
  '*.x.a.test',
  '10.0.0.1',
];
const asked: [string, ...string[]] = [
  'a.test',
  'B.test:80',
  'x.a.test',
  'y.x.a.test.',
  'c.test',
  'test',
  '10.0.0.1:81',
  '',
];
const segments: [string, ...string[]] = ['a', 'B', 'cc', ':p', ':q'];

/** Of a random sequence. */
interface Random {
  below(n: number): number;
  pick<T>(list: readonly [T, ...T[]]): T;
}

function randomFrom(seed: number): Random {
  const below = randomOf(seed);
  return { below, pick: list => list[below(list.length)] ?? list[0] };
}

interface ModelRoute extends IndexedRoute {
  readonly method: string | undefined;
}

function randomRoutes(random: Random): ModelRoute[] {
  return Array.from({ length: 1 + random.below(40) }, (_, n): ModelRoute => {
    const depth = random.below(4);
    const path = Array.from({ length: depth }, () => `/${random.pick(segments)}`).join('');
    const paths = random.below(8) === 0 ? [] : [`${path}${random.pick(['', '/*', '/'])}` || '/'];
    const method = random.below(3) === 0 ? random.pick(['GET', 'PUT']) : undefined;
    return {
      name: `r${n}`,
      priority: random.below(6) === 0 ? random.below(3) - 1 : 0,
      hosts: Array.from({ length: random.below(3) }, () => random.pick(hosts)),
      paths,
      conditions: method === undefined ? 0 : 1,
      holds: method === undefined ? undefined : ctx => ctx.request.method === method,
      method,
    };
  });
}

interface Rule {
  readonly route: ModelRoute;
  readonly key: readonly (number | string)[];
  readonly matches: (facts: RequestFacts) => boolean;
}

/** Host and path of a route, with what it is sorted by, smaller first. */
function rulesOf(routes: readonly ModelRoute[]): Rule[] {
  const orNone = (list: readonly (string | RegExp)[]) => (list.length === 0 ? [undefined] : list.map(String));
  const rules = routes.flatMap((route, place) =>
    orNone(route.hosts).flatMap(host =>
      orNone(route.paths).map((path): Rule => {
        const { method } = route;
        const matcher = { host, path, method };
        const isOpen = host === undefined && path === undefined && method === undefined;
        return {
          route,
          key: [-route.priority, ...hostKeyOf(host), narrowness(path), -route.conditions, place],
          matches: isOpen ? () => true : compileMatcher(matcher),
        };
      }),
    ),
  );
  return rules.sort((a, b) => compare(a.key, b.key));
}

function hostKeyOf(host: string | undefined): [number, number] {
  if (host === undefined) return [2, 0];
  return host.startsWith('*') ? [1, -host.length] : [0, 0];
}

/** `0` for a literal segment, `1` for a parameter, `2` for all below; any path last. */
function narrowness(path: string | undefined): string {
  if (path === undefined || path === '/*') return '9';
  const ends = path.endsWith('/*') ? '2' : '';
  return (
    path.replace(/\/\*?$/, '').replaceAll(/\/[^/]+/g, part => (part.startsWith('/:') ? '1' : '0')) + ends
  );
}

function compare(a: readonly (number | string)[], b: readonly (number | string)[]): number {
  const at = a.findIndex((value, i) => value !== b[i]);
  if (at < 0) return 0;
  return (a[at] ?? 0) < (b[at] ?? 0) ? -1 : 1;
}

function randomContext(random: Random): ProxyContext {
  const depth = random.below(5);
  const target = Array.from({ length: depth }, () => `/${random.pick(['a', 'b', 'CC', 'dd'])}`).join('');
  return context({
    host: random.pick(asked),
    target: `${target}${random.pick(['', '/', '?x'])}`.replace(/^(?!\/)/, '/'),
    method: random.pick(['GET', 'PUT']),
  });
}

test('takes the route that a walk through all of them in order would take', () => {
  const random = randomFrom(20_261_130);
  let found = 0;
  for (let round = 0; round < 400; round++) {
    const routes = randomRoutes(random);
    const rules = rulesOf(routes);
    const index = new RouteIndex(routes);
    for (let n = 0; n < 25; n++) {
      const ctx = randomContext(random);
      const facts = RequestFacts.of(ctx);
      const expected = rules.find(rule => rule.matches(facts));
      if (expected !== undefined) found++;
      const { host, target, method } = ctx.request;
      const why = `${method} ${host}${target} among ${JSON.stringify(routes)}`;
      assert.is(index.choose(ctx)?.route.name, expected?.route.name, why);
    }
  }
  assert.ok(found > 2000, `${found} requests took a route`);
});

// A naive model of routes: all of them in order, each tried as matchers are; and random routes and requests for it.
import { compileMatcher } from '../../../core/request/compiled-matcher.ts';
import type { ProxyContext } from '../../../core/request/context.ts';
import type { RequestFacts } from '../../../core/request/request-facts.ts';
import { context } from '../../../core/testing.ts';
import type { IndexedRoute } from '../../../plugins/routes/route-entry.ts';
import type { RouteOptions } from '../../../plugins/routes/route-options.ts';
import type { Random } from '../../support/random.ts';

const hosts: [string | RegExp, ...(string | RegExp)[]] = [
  'a.test',
  'b.test',
  'x.a.test',
  '*.test',
  '*.a.test',
  '*.x.a.test',
  '10.0.0.1',
  '[::1]',
];
const expressions: [RegExp, ...RegExp[]] = [/^[ab]\.test$/, /a/, /^[0-9.]+$/];
const pathExpressions: [RegExp, ...RegExp[]] = [/^\/a\//, /b/i];
const asked: [string, ...string[]] = [
  'a.test',
  'B.test:80',
  'x.a.test',
  'y.x.a.test.',
  'c.test',
  'test',
  '10.0.0.1:81',
  '[0:0::1]:80',
  '',
];
const segments: readonly string[] = ['a', 'B', 'cc', ':p', ':q'];

export interface ModelRoute extends IndexedRoute {
  readonly method: string | undefined;
}

export function randomRoute(random: Random, name: string): ModelRoute {
  const depth = random.below(4);
  const path = Array.from({ length: depth }, () => `/${random.of(segments)}`).join('');
  const written = `${path}${random.of(['', '/*', '/'])}` || '/';
  const method = random.below(3) === 0 ? random.of(['GET', 'PUT']) : undefined;
  const paths = random.below(9) === 0 ? random.of(pathExpressions) : written;
  return {
    name,
    priority: random.below(6) === 0 ? random.below(3) - 1 : 0,
    hosts: Array.from({ length: random.below(3) }, () =>
      random.below(6) === 0 ? random.of(expressions) : random.of(hosts),
    ),
    paths: random.below(8) === 0 ? [] : [paths],
    conditions: method === undefined ? 0 : 1,
    holds: method === undefined ? undefined : ctx => ctx.request.method === method,
    method,
  };
}

/** The options of a route. */
export function optionsOf({ name, priority, hosts: host, paths: path, method }: ModelRoute): RouteOptions {
  const listed = <T>(list: readonly T[]) => (list.length === 0 ? undefined : [...list]);
  return { name, priority, host: listed(host), path: listed(path), method, pool: 'a' } as RouteOptions;
}

export interface Placed {
  readonly route: ModelRoute;
  readonly place: number;
}

export interface Rule {
  readonly route: ModelRoute;
  readonly matches: (facts: RequestFacts) => boolean;
}

/** Host and path of each route, in the order in which they are tried. */
export function rulesOf(routes: readonly Placed[]): Rule[] {
  const orNone = <T>(list: readonly T[]) => (list.length === 0 ? [undefined] : list);
  const rules = routes.flatMap(({ route, place }) =>
    orNone(route.hosts).flatMap(host =>
      orNone(route.paths).map(path => {
        const { method, conditions, name } = route;
        const key = [-route.priority, ...hostKeyOf(host), narrowness(path), -conditions, place, name];
        return { route, key, matches: matcherOf(host, path, method) };
      }),
    ),
  );
  return rules.sort((a, b) => compare(a.key, b.key));
}

function matcherOf(
  host: string | RegExp | undefined,
  path: string | RegExp | undefined,
  method: string | undefined,
): (facts: RequestFacts) => boolean {
  const isRest = path === undefined && method === undefined;
  if (!(host instanceof RegExp)) {
    return isRest && host === undefined ? () => true : compileMatcher({ host, path, method });
  }
  const rest = isRest ? () => true : compileMatcher({ path, method });
  return facts => {
    const name = facts.host.replace(/:\d*$/, '').replace(/\.$/, '').toLowerCase();
    return host.test(name) && rest(facts);
  };
}

function hostKeyOf(host: string | RegExp | undefined): [number, number] {
  if (host === undefined) return [3, 0];
  if (host instanceof RegExp) return [2, 0];
  return host.startsWith('*') ? [1, -host.length] : [0, 0];
}

/** `0` for a literal segment, `1` for a parameter, `2` for all below; then an expression, any path last. */
function narrowness(path: string | RegExp | undefined): string {
  if (path === undefined || path === '/*') return '9';
  if (path instanceof RegExp) return '8';
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

export function randomContext(random: Random): ProxyContext {
  const depth = random.below(5);
  const target = Array.from({ length: depth }, () => `/${random.of(['a', 'b', 'CC', 'dd'])}`).join('');
  return context({
    host: random.of(asked),
    target: `${target}${random.of(['', '/', '?x'])}`.replace(/^(?!\/)/, '/'),
    method: random.of(['GET', 'PUT']),
  });
}

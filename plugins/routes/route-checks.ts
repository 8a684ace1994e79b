// RouteChecks: finds mistakes that the schema of a single option cannot see: within one route, and among several.
import type { z } from 'zod';
import { RequestPath } from '../../core/request/path.ts';
import { segmentsOf } from '../../core/request/path-pattern.ts';
import { captureNames } from './captures.ts';
import { isExpression } from './expression.ts';
import { pathKey } from './path-key.ts';
import { redirectTarget } from './redirect.ts';
import { asList, conditionsOf } from './route-conditions.ts';
import type { OtherwiseOptions, RouteOptions } from './route-options.ts';
import { RouteShadows, type Shadow } from './route-shadows.ts';
import { capturesIn, fillPath, parseTemplate, type Template } from './template.ts';

type Report = (path: (string | number)[], message: string) => void;

const reporter =
  (context: z.core.$RefinementCtx): Report =>
  (path, message) =>
    context.addIssue({ code: 'custom', path, message });

const ends = ['pool', 'split', 'redirect', 'reply'] as const;
const onTheWay = [
  'stripPrefix',
  'rewrite',
  'upstreamHost',
  'requestHeaders',
  'timeouts',
  'bodyLimit',
] as const;

/** Checks a single route. */
export function checkRoute(route: RouteOptions, context: z.core.$RefinementCtx): void {
  const report = reporter(context);
  const [end, second] = ends.filter(key => route[key] !== undefined);
  if (end === undefined) report([], `leads nowhere: give it one of ${ends.join(', ')}`);
  if (second !== undefined) report([second], `this route already has ${String(end)}: keep one of them`);
  if (route.sticky !== undefined && route.split === undefined)
    report(['sticky'], 'needs split; to keep a client at one server, use a plugin such as stickyCookie');
  if (end === 'redirect' || end === 'reply') {
    for (const key of onTheWay) {
      if (route[key] !== undefined)
        report([key], `no server gets requests of a route with ${end}: leave it out`);
    }
  }
  if (route.rewrite !== undefined && route.stripPrefix !== undefined)
    report(['stripPrefix'], 'rewrite replaces the whole path: leave one of the two out');
  checkPrefix(route, report);
  const target = route.redirect === undefined ? undefined : redirectTarget(route.redirect.to).template;
  if (target !== undefined) checkCaptures(route, capturesIn(target), ['redirect', 'to'], report);
  if (route.rewrite !== undefined) checkRewrite(route, parseTemplate(route.rewrite), report);
}

function checkRewrite(route: RouteOptions, template: Template, report: Report): void {
  const names = capturesIn(template);
  checkCaptures(route, names, ['rewrite'], report);
  const path = new RequestPath(fillPath(template, Object.fromEntries(names.map(name => [name, 'x']))));
  if (path.plainEnd >= 0 || (path.problem === undefined && path.readings.length === 1)) return;
  report(
    ['rewrite'],
    'servers could read this path in several ways: write it without "//", ";" and encoded slashes',
  );
}

function checkPrefix({ stripPrefix, path }: RouteOptions, report: Report): void {
  if (stripPrefix === undefined) return;
  const wanted = segmentsOf(stripPrefix).segments.map(segment => segment.toLowerCase());
  const bad = (path === undefined ? ['/*'] : asList(path)).find(each => {
    const key = pathKey(each);
    if (key.kind !== 'segments') return true;
    return wanted.some((segment, i) => {
      const own = key.segments[i];
      return own === undefined || !('literal' in own) || own.literal !== segment;
    });
  });
  if (bad === undefined) return;
  const remedy = isExpression(bad)
    ? 'use rewrite'
    : `write a path such as ${JSON.stringify(`${stripPrefix}/*`)}`;
  report(['stripPrefix'], `the path ${String(bad)} does not begin with ${stripPrefix}: ${remedy}`);
}

function checkCaptures(
  { path }: Pick<RouteOptions, 'path'>,
  names: readonly string[],
  place: (string | number)[],
  report: Report,
): void {
  for (const each of path === undefined ? [undefined] : asList(path)) {
    const known = captureNames(pathKey(each));
    const missing = names.find(name => !known.includes(name));
    if (missing === undefined) continue;
    const has = known.length === 0 ? 'captures nothing' : `captures ${known.map(shown).join(', ')}`;
    report(place, `there is no ${shown(missing)}: the path ${String(each ?? '/*')} ${has}`);
    return;
  }
}

const shown = (name: string): string => (/^\d$/.test(name) ? `$${name}` : `\${${name}}`);

/** Checks the target of requests that no route takes. */
export function checkOtherwise({ redirect }: OtherwiseOptions, context: z.core.$RefinementCtx): void {
  if (redirect === undefined) return;
  const names = capturesIn(redirectTarget(redirect.to).template);
  checkCaptures({}, names, ['otherwise', 'redirect', 'to'], reporter(context));
}

/** A shadow in a list, with the index of its route. */
type ListedShadow = Shadow & { readonly place: number };

/** Checks all routes together: duplicate names, and routes that can never match. */
export function checkRoutes(routes: readonly RouteOptions[], context: z.core.$RefinementCtx): void {
  const report = reporter(context);
  const places = new Map<string, number>();
  for (const [i, { name }] of routes.entries()) {
    const before = places.get(name);
    if (before === undefined) places.set(name, i);
    else
      report(
        ['routes', i, 'name'],
        `routes[${before}] is already called ${JSON.stringify(name)}: choose another name`,
      );
  }
  // Shadows are reported by name.
  if (places.size < routes.length) return;
  const said = new Set<number>();
  for (const { place, by, whole } of shadowsOf(routes)) {
    if (!whole || said.has(place)) continue;
    said.add(place);
    const { name } = routes[place] ?? { name: '' };
    report(
      ['routes', place],
      `${name} can never match, because the route ${by} takes all of its requests: put it before that one, give it a higher priority or remove it`,
    );
  }
}

/** Cached by list: they are needed when it is parsed, and for warnings. */
const found = new WeakMap<readonly RouteOptions[], readonly ListedShadow[]>();

/** Returns the hosts and paths of routes whose requests another route takes first. Names must be unique. */
export function shadowsOf(routes: readonly RouteOptions[]): readonly ListedShadow[] {
  let shadows = found.get(routes);
  if (shadows === undefined) {
    const all = new RouteShadows(routes);
    shadows = routes.flatMap(({ name }, place) => all.of(name).map(shadow => ({ ...shadow, place })));
    found.set(routes, shadows);
  }
  return shadows;
}

/** Returns whether a route takes every request. */
export function takesAll(route: RouteOptions): boolean {
  const { host, path } = route;
  return (
    host === undefined &&
    (path === undefined || asList(path).some(each => pathKey(each).kind === 'any')) &&
    conditionsOf(route).size === 0
  );
}

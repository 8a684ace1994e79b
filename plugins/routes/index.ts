// routes: decides where requests go, by host, path and other conditions.
import { z } from 'zod';
import { nearest } from '../../core/errors/nearest.ts';
import { WeldrError } from '../../core/errors.ts';
import { definePlugin } from '../../core/plugin/define-plugin.ts';
import type { ChildPlugins, ConfigFacts, ListedPlugin, Plugin } from '../../core/plugin/plugin.ts';
import { otherwiseRoute } from './active-route.ts';
import { checkOtherwise, checkRoute, checkRoutes, shadowsOf, takesAll } from './route-checks.ts';
import { asList } from './route-conditions.ts';
import { routeKind } from './route-kind.ts';
import { otherwise, type RouteInput, type RouteOptions, routeInCode, routeInText } from './route-options.ts';
import { RouteTable } from './route-table.ts';
import { serveTrials } from './route-trials.ts';

export type { RouteCondition, RouteInput } from './route-options.ts';

const maxRoutes = 100_000;
const about = 'Decides where requests go, by host, path and other conditions; the most specific route first.';
const aboutRoutes =
  'The routes. The most specific one that matches takes a request; of equal ones, the first.';

const inText = z
  .strictObject({
    routes: z.array(routeInText).max(maxRoutes).describe(aboutRoutes),
    otherwise: otherwise.optional(),
  })
  .describe(about);

const inCode = z
  .strictObject({
    routes: z.array(routeInCode.superRefine(checkRoute)).max(maxRoutes),
    otherwise: otherwise.optional(),
  })
  .superRefine(({ routes: list, otherwise: rest }, context) => {
    checkRoutes(list, context);
    if (rest === undefined) return;
    checkOtherwise(rest, context);
    const all = list.find(takesAll);
    if (all === undefined) return;
    const message = `nothing is left for it, because the route ${all.name} takes every request: leave one of them out`;
    context.addIssue({ code: 'custom', path: ['otherwise'], message });
  });

/** The options of `routes` besides the routes, as written in a config. */
export interface RoutesRest {
  /** Where requests that no route takes go; default: the pool `default`. */
  readonly otherwise?: z.input<typeof otherwise> | undefined;
}

/** The options of `routes`, as written in a config. */
export interface RoutesOptions extends RoutesRest {
  readonly routes: readonly RouteInput[];
}

const plugin = definePlugin({
  name: 'routes',
  schema: inCode,
  kind: routeKind,
  check({ routes: list, otherwise: rest }, facts) {
    for (const [i, route] of list.entries()) checkNames(route, `routes[${i}]`, facts);
    if (rest?.pool !== undefined) checkPool(rest.pool, 'otherwise.pool', facts);
    for (const { place, entry, by, whole } of shadowsOf(list)) {
      if (!whole) facts.warn(`routes[${place}]`, shadowWarning(entry.route.name, by));
    }
  },
  worker(side, { routes: list, otherwise: rest }) {
    const configured = list.map(({ name }) => name);
    const table = new RouteTable({ side, entities: side.entities, configured });
    const left = otherwiseRoute(rest, side);
    side.hooks.route.tap('routes', ctx => {
      const entry = table.choose(ctx);
      return entry === undefined ? left : entry.route.take(ctx, entry);
    });
    side.hooks.respond.tap('routes', ctx => {
      if (!table.editsResponses) return;
      const { route } = ctx;
      const edits = route === undefined ? undefined : table.ownerOf(route)?.responseEdits;
      if (edits !== undefined) for (const edit of edits) edit(ctx);
    });
  },
  manager(side, options) {
    const { log } = side;
    const { routes: list, otherwise: rest } = options;
    const end = rest?.redirect ? 'a redirect' : rest?.reply ? 'a reply' : `pool ${rest?.pool ?? 'default'}`;
    log.info(
      { routes: list.length, otherwise: end },
      'routes are active; requests that none of them takes go to `otherwise`',
    );
    serveTrials(side, options);
  },
});

/**
 * Routes requests: `routes([{ name: 'api', host: 'shop.example', path: '/api/*', pool: 'api' }])`. The most specific route that
 * matches a request takes it; other requests go to the pool `default`, or to `otherwise`.
 */
export const routes = Object.assign(
  (given: readonly RouteInput[] | RoutesOptions, rest: RoutesRest = {}): Plugin => {
    const options = isList(given) ? { routes: [...given], ...rest } : given;
    // The check of the config refuses anything else.
    return { ...plugin(options as never), children: childrenOf(options) };
  },
  { pluginName: 'routes', schema: inText },
);

function isList(given: unknown): given is readonly RouteInput[] {
  return Array.isArray(given);
}

/** The plugins of the routes, in their scopes. */
function childrenOf(options: unknown): ChildPlugins[] {
  const list: unknown = isObject(options) ? options['routes'] : undefined;
  if (!Array.isArray(list)) return [];
  return list.flatMap((route: unknown, i): ChildPlugins[] => {
    if (!isObject(route) || typeof route['name'] !== 'string' || !Array.isArray(route['plugins'])) return [];
    const plugins: ListedPlugin[] = route['plugins'];
    return [{ scope: { kind: 'route', name: route['name'] }, field: `routes[${i}].plugins`, plugins }];
  });
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

function checkNames(route: RouteOptions, at: string, facts: ConfigFacts): void {
  if (route.pool !== undefined) checkPool(route.pool, `${at}.pool`, facts);
  for (const pool of Object.keys(route.split ?? {})) checkPool(pool, `${at}.split`, facts);
  const listeners = facts.listen.map(({ name }) => name);
  for (const name of route.listener === undefined ? [] : asList(route.listener)) {
    if (!listeners.includes(name)) throw unknown('listener', name, listeners, `${at}.listener`);
  }
}

function checkPool(name: string, at: string, { pools }: ConfigFacts): void {
  if (!pools.includes(name)) throw unknown('pool', name, pools, at);
}

function unknown(what: string, name: string, names: readonly string[], field: string): WeldrError {
  const near = nearest(name, names);
  const hint = near === undefined ? `there are ${names.join(', ')}` : `did you mean ${JSON.stringify(near)}?`;
  return new WeldrError('CONFIG_INVALID', `there is no ${what} ${JSON.stringify(name)}; ${hint}`, { field });
}

function shadowWarning(name: string, by: string): string {
  return `one of the hosts and paths of ${name} never matches, because the route ${by} takes all of its requests; remove it`;
}

// RouteEntry: one host and one path of a route, with its place in the order in which routes are asked.
import type { ProxyContext } from '../../core/request/context.ts';
import { compareHosts, type HostKey, hostKey } from './host-key.ts';
import { type PathKey, pathKey, pathOrder } from './path-key.ts';

/** What the index has to know of a route; undefined conditions: host and path say all. */
export interface IndexedRoute {
  readonly name: string;
  readonly priority: number;
  /** As they are written; none: any. */
  readonly hosts: readonly (string | RegExp)[];
  readonly paths: readonly (string | RegExp)[];
  /** How many further conditions there are. */
  readonly conditions: number;
  /** Do they hold? */
  readonly holds: ((ctx: ProxyContext) => boolean) | undefined;
}

/** One host and one path of a route. */
export interface RouteEntry<R extends IndexedRoute = IndexedRoute> {
  readonly route: R;
  readonly host: HostKey;
  readonly path: PathKey;
  /** Of several entries that match, the one with the lowest number is taken. */
  readonly rank: number;
  /** As the route has it. */
  readonly holds: R['holds'];
  /** The next one of the same host and path, by rank: a list without an object of its own, as there are so many. */
  next: RouteEntry<R> | undefined;
}

/** An entry and those behind it. */
export function listFrom<R extends IndexedRoute>(first: RouteEntry<R> | undefined): RouteEntry<R>[] {
  const list = [];
  for (let entry = first; entry !== undefined; entry = entry.next) list.push(entry);
  return list;
}

/** The entries of routes, the one that is asked first at the beginning. */
export function entriesOf<R extends IndexedRoute>(routes: readonly R[]): RouteEntry<R>[] {
  const entries = routes.flatMap(route =>
    orAny(route.hosts).flatMap(host =>
      orAny(route.paths).map(path => {
        const key = pathKey(path);
        return { route, host: hostKey(host), path: key, order: pathOrder(key) };
      }),
    ),
  );
  // A sort keeps what is equal as it was: the order of the list.
  return entries
    .sort(
      (a, b) =>
        b.route.priority - a.route.priority ||
        compareHosts(a.host, b.host) ||
        compareTexts(a.order, b.order) ||
        b.route.conditions - a.route.conditions,
    )
    .map(({ route, host, path }, rank) => ({ route, host, path, rank, holds: route.holds, next: undefined }));
}

function orAny(list: readonly (string | RegExp)[]): readonly (string | RegExp | undefined)[] {
  return list.length === 0 ? [undefined] : list;
}

function compareTexts(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

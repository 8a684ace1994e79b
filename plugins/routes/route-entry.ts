// RouteEntry: one host and one path of a route, with its place in the order in which routes are tried.
import type { ProxyContext } from '../../core/request/context.ts';
import { compareHosts, type HostKey, hostKey } from './host-key.ts';
import { comparePaths, type PathKey, pathKey } from './path-key.ts';

/** The properties of a route that the index needs. */
export interface IndexedRoute {
  readonly name: string;
  readonly priority: number;
  /** As written; empty: any. */
  readonly hosts: readonly (string | RegExp)[];
  readonly paths: readonly (string | RegExp)[];
  /** The number of further conditions. */
  readonly conditions: number;
  /** Whether they hold for a request; undefined: there are none. */
  readonly holds: ((ctx: ProxyContext) => boolean) | undefined;
}

/** The place of routes that are in no list: after all routes of a list. */
export const behindList = 2 ** 30 - 1;

/** One host and one path of a route. */
export interface RouteEntry<R extends IndexedRoute = IndexedRoute> {
  readonly route: R;
  readonly host: HostKey;
  readonly path: PathKey;
  /** The route's priority. */
  readonly priority: number;
  readonly holds: R['holds'];
  /** The place of the route in its list; routes with the same place are ordered by name. */
  readonly place: number;
  /** The next entry with the same host and path, in the order of {@link precedes}: an intrusive list takes the least memory. */
  next: RouteEntry<R> | undefined;
}

/** Returns the entries of a route, in its order. */
export function entriesOf<R extends IndexedRoute>(route: R, place: number): RouteEntry<R>[] {
  const { priority, holds } = route;
  const paths = orAny(route.paths).map(pathKey);
  return orAny(route.hosts).flatMap(each => {
    const host = hostKey(each);
    return paths.map(path => ({ route, host, path, priority, holds, place, next: undefined }));
  });
}

function orAny(list: readonly (string | RegExp)[]): readonly (string | RegExp | undefined)[] {
  return list.length === 0 ? [undefined] : list;
}

/** Returns whether `a` comes before `b`. */
export function precedes(a: RouteEntry, b: RouteEntry): boolean {
  if (a.priority !== b.priority) return a.priority > b.priority;
  return (compareHosts(a.host, b.host) || comparePaths(a.path, b.path) || compareAlike(a, b)) < 0;
}

/** Less than 0: `a` comes before `b`, which has the same host and path; 0: both belong to one route. */
export function compareAlike(a: RouteEntry, b: RouteEntry): number {
  if (a.route === b.route) return 0;
  return (
    b.priority - a.priority ||
    b.route.conditions - a.route.conditions ||
    a.place - b.place ||
    (a.route.name < b.route.name ? -1 : 1)
  );
}

/** Inserts an entry into a list of those with the same host and path; returns the first of the list. */
export function listWith<R extends IndexedRoute>(
  first: RouteEntry<R> | undefined,
  entry: RouteEntry<R>,
): RouteEntry<R> {
  let before: RouteEntry<R> | undefined;
  let after = first;
  // Within one route, the entry inserted later comes first.
  while (after !== undefined && compareAlike(after, entry) < 0) {
    before = after;
    after = after.next;
  }
  entry.next = after;
  if (before === undefined) return entry;
  before.next = entry;
  return first ?? entry;
}

/** Removes an entry from its list; returns the first of the rest. */
export function listWithout<R extends IndexedRoute>(
  first: RouteEntry<R> | undefined,
  entry: RouteEntry<R>,
): RouteEntry<R> | undefined {
  if (first === entry) return entry.next;
  let before = first;
  while (before !== undefined && before.next !== entry) before = before.next;
  if (before !== undefined) before.next = entry.next;
  return first;
}

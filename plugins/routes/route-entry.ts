// RouteEntry: one host and one path of a route, with its place in the order in which routes are asked.
import type { ProxyContext } from '../../core/request/context.ts';
import { compareHosts, type HostKey, hostKey } from './host-key.ts';
import { comparePaths, type PathKey, pathKey } from './path-key.ts';

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

/** The place of routes that stand in no list: behind all that do. */
export const behindList = 2 ** 30 - 1;

/** One host and one path of a route. */
export interface RouteEntry<R extends IndexedRoute = IndexedRoute> {
  readonly route: R;
  readonly host: HostKey;
  readonly path: PathKey;
  /** As the route has it. */
  readonly priority: number;
  readonly holds: R['holds'];
  /** Of the route in its list; of several routes with one place the first by name is asked first. */
  readonly place: number;
  /** The next one of the same host and path, in the order of {@link precedes}: a list without an object of its own, as there are so many. */
  next: RouteEntry<R> | undefined;
}

/** The entries of a route, in the order in which it has them. */
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

/** Is `a` asked before `b`? */
export function precedes(a: RouteEntry, b: RouteEntry): boolean {
  if (a.priority !== b.priority) return a.priority > b.priority;
  return (compareHosts(a.host, b.host) || comparePaths(a.path, b.path) || compareAlike(a, b)) < 0;
}

/** Less than 0: `a` is asked before `b`, which has the same host and path; 0: both are of one route. */
export function compareAlike(a: RouteEntry, b: RouteEntry): number {
  if (a.route === b.route) return 0;
  return (
    b.priority - a.priority ||
    b.route.conditions - a.route.conditions ||
    a.place - b.place ||
    (a.route.name < b.route.name ? -1 : 1)
  );
}

/** Puts an entry into a list of those with the same host and path; returns the first of the list. */
export function listWith<R extends IndexedRoute>(
  first: RouteEntry<R> | undefined,
  entry: RouteEntry<R>,
): RouteEntry<R> {
  let before: RouteEntry<R> | undefined;
  let after = first;
  // Of one route, what is put in later goes before.
  while (after !== undefined && compareAlike(after, entry) < 0) {
    before = after;
    after = after.next;
  }
  entry.next = after;
  if (before === undefined) return entry;
  before.next = entry;
  return first ?? entry;
}

/** Takes an entry out of its list; returns the first of what is left. */
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

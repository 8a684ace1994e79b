// RouteIndex: finds the route of a request by host, then by the segments of the path, then by the conditions of the few routes
// that are left.
import { WeldrError } from '../../core/errors.ts';
import type { ProxyContext } from '../../core/request/context.ts';
import type { RequestPath } from '../../core/request/path.ts';
import { RequestFacts } from '../../core/request/request-facts.ts';
import { HostTables } from './host-tables.ts';
import type { Seen } from './path-table.ts';
import { behindList, compareAlike, entriesOf, type IndexedRoute, type RouteEntry } from './route-entry.ts';

/**
 * All routes, with unique names; they are added and removed one by one. The choice depends only on what the client sent. It
 * allocates nothing if the path is plain and the conditions allocate nothing.
 */
export class RouteIndex<R extends IndexedRoute> {
  private readonly hosts = new HostTables<R>();
  private readonly routes = new Map<string, readonly RouteEntry<R>[]>();

  /** @param routes a list of routes; their order is their place */
  constructor(routes: readonly R[] = []) {
    const all: RouteEntry<R>[] = [];
    for (const [place, route] of routes.entries()) {
      const entries = entriesOf(route, place);
      this.routes.set(route.name, entries);
      for (const entry of entries) all.push(entry);
    }
    // In reverse, because each is inserted at the start of its list. The sort is stable.
    all.sort(compareAlike);
    for (let i = all.length - 1; i >= 0; i--) {
      const entry = all[i];
      if (entry !== undefined) this.hosts.add(entry);
    }
  }

  get size(): number {
    return this.routes.size;
  }

  /**
   * Adds or replaces the route of this name, or removes it (undefined). Others are left alone, so the cost does not depend on
   * their number.
   *
   * @param place the place in a list: of two routes that are otherwise equal, the one with the lower place comes first, and of
   * two with the same place the first by name. Default: after all routes of the list.
   */
  set(name: string, route: R | undefined, place: number = behindList): void {
    // Built first: if a key cannot be built, nothing has changed.
    const entries = route === undefined ? [] : entriesOf(route, place);
    for (const entry of this.entriesOf(name)) this.hosts.remove(entry);
    for (const entry of entries.toReversed()) this.hosts.add(entry);
    if (route === undefined) this.routes.delete(name);
    else this.routes.set(name, entries);
  }

  /** Returns the hosts and paths of a route; an empty list: there is no such route. */
  entriesOf(name: string): readonly RouteEntry<R>[] {
    return this.routes.get(name) ?? [];
  }

  /**
   * Returns the host and path of the route that takes a request; undefined: none does. Throws BAD_REQUEST if that depends on
   * how a server reads the path.
   */
  choose(ctx: ProxyContext): RouteEntry<R> | undefined {
    const facts = RequestFacts.of(ctx);
    const { path, host } = facts;
    const end = path.plainEnd;
    return end >= 0 ? this.hosts.find(host, path.text, end, ctx) : this.chooseOfReadings(host, path, ctx);
  }

  /** Yields the entries that match everything that this one matches and come before it, ignoring further conditions. */
  before(entry: RouteEntry<R>): Generator<RouteEntry<R>> {
    return this.hosts.before(entry);
  }

  /** Calls `see` with the entries that match only what this one matches and come after it, ignoring its further conditions. */
  behind(entry: RouteEntry<R>, see: Seen<R>): void {
    this.hosts.behind(entry, see);
  }

  private chooseOfReadings(host: string, path: RequestPath, ctx: ProxyContext): RouteEntry<R> | undefined {
    const { problem, normal } = path;
    const { hosts } = this;
    if (!hosts.looksAtPath(host)) return hosts.find(host, normal, normal.length, ctx);
    if (problem !== undefined) throw ambiguous(path, problem);
    const chosen = hosts.find(host, normal, normal.length, ctx);
    for (const reading of path.readings) {
      const other = hosts.find(host, reading, reading.length, ctx);
      if (other?.route === chosen?.route) continue;
      const routes = `${nameOf(chosen)} for ${quote(normal)}, ${nameOf(other)} for ${quote(reading)}`;
      throw ambiguous(path, `servers read it in several ways, and it would take ${routes}`);
    }
    return chosen;
  }
}

const nameOf = (entry: RouteEntry | undefined): string =>
  entry === undefined ? 'no route' : `the route ${entry.route.name}`;

function ambiguous(path: RequestPath, why: string): WeldrError {
  return new WeldrError('BAD_REQUEST', `the path ${quote(path.text)} is ambiguous for routes: ${why}`);
}

/** A shortened path for a message. */
function quote(path: string): string {
  return JSON.stringify(path.length > 200 ? `${path.slice(0, 200)}…` : path);
}

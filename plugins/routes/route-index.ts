// RouteIndex: from a request to its route: by host, then by the segments of the path, then the few that are left are asked.
import { WeldrError } from '../../core/errors.ts';
import type { ProxyContext } from '../../core/request/context.ts';
import type { RequestPath } from '../../core/request/path.ts';
import { RequestFacts } from '../../core/request/request-facts.ts';
import { HostTables } from './host-tables.ts';
import type { Seen } from './path-table.ts';
import { behindList, compareAlike, entriesOf, type IndexedRoute, type RouteEntry } from './route-entry.ts';

/**
 * All routes, each with a name of its own, which come and go one by one. Which one a request takes depends on nothing but
 * what the client sent. Choosing allocates nothing while paths are plain and conditions allocate nothing.
 */
export class RouteIndex<R extends IndexedRoute> {
  private readonly hosts = new HostTables<R>();
  private readonly routes = new Map<string, readonly RouteEntry<R>[]>();

  /** @param routes a list of routes; each has its place there */
  constructor(routes: readonly R[] = []) {
    const all: RouteEntry<R>[] = [];
    for (const [place, route] of routes.entries()) {
      const entries = entriesOf(route, place);
      this.routes.set(route.name, entries);
      for (const entry of entries) all.push(entry);
    }
    // From the last on each comes to the beginning of its list. A sort keeps what is equal as it was.
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
   * Puts a route in the place of the one of this name, or takes that out (undefined). What others have is left as it is, so
   * that this costs the same among many.
   *
   * @param place where the route stands in a list: of two that are alike else, the lower is asked first, and of two in one
   *   place the first by name. Default: behind all that stand in the list.
   */
  set(name: string, route: R | undefined, place: number = behindList): void {
    // Made first: where a key cannot be made, nothing has changed.
    const entries = route === undefined ? [] : entriesOf(route, place);
    for (const entry of this.entriesOf(name)) this.hosts.remove(entry);
    for (const entry of entries.toReversed()) this.hosts.add(entry);
    if (route === undefined) this.routes.delete(name);
    else this.routes.set(name, entries);
  }

  /** The hosts and paths of a route; none: it is not there. */
  entriesOf(name: string): readonly RouteEntry<R>[] {
    return this.routes.get(name) ?? [];
  }

  /**
   * Which host and path of a route takes a request; undefined: none does. Throws BAD_REQUEST where that depends on how
   * a server reads the path.
   */
  choose(ctx: ProxyContext): RouteEntry<R> | undefined {
    const facts = RequestFacts.of(ctx);
    const { path, host } = facts;
    const end = path.plainEnd;
    return end >= 0 ? this.hosts.find(host, path.text, end, ctx) : this.chooseOfReadings(host, path, ctx);
  }

  /** The entries that match all which this one does and are asked before it, without their further conditions. */
  before(entry: RouteEntry<R>): Generator<RouteEntry<R>> {
    return this.hosts.before(entry);
  }

  /** Shows the entries that match nothing which this one does not and are asked behind it, without its further conditions. */
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
      const routes = `the route ${nameOf(chosen)} for ${quote(normal)}, ${nameOf(other)} for ${quote(reading)}`;
      throw ambiguous(path, `servers read it in several ways, and it would take ${routes}`);
    }
    return chosen;
  }
}

const nameOf = (entry: RouteEntry | undefined): string => entry?.route.name ?? 'of none';

function ambiguous(path: RequestPath, why: string): WeldrError {
  return new WeldrError('BAD_REQUEST', `the path ${quote(path.text)} is ambiguous for routes: ${why}`);
}

/** A path for a message: as much of it as says something. */
function quote(path: string): string {
  return JSON.stringify(path.length > 200 ? `${path.slice(0, 200)}…` : path);
}
